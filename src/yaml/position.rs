//! Where a key stands in a text, for who finds it wrong after it was read.

use super::to_usize;
use super::tree::Node;

/// The keys of a text and their lines.
#[derive(Debug)]
pub(crate) struct Positions(Option<Node>);

impl Positions {
    /// Of text that may be YAML.
    pub(crate) fn of(text: &str) -> Self {
        Self(serde_yaml::from_str(text).ok())
    }

    /// The line of the last of `keys`, each below the one before; none where they are not there.
    pub(crate) fn line(&self, keys: &[&str]) -> Option<usize> {
        let (mut node, mut line) = (self.0.as_ref()?, None);
        for key in keys {
            let Node::Map(entries) = node else { return None };
            let (found, below) = entries.iter().find(|(name, _)| name.value == *key)?;
            (node, line) = (below, Some(to_usize(found.referenced.line())));
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_by_the_keys_above_it() {
        let positions = Positions::of("a:\n  b: {c: 1}\n\nd:\n  - b: 2\n  c: 3\n");
        assert_eq!(positions.line(&["a"]), None, "the text is no YAML");
        let positions = Positions::of("a:\n  b: {c: 1}\n\nd:\n  c: 3\n");
        assert_eq!(positions.line(&["a", "b", "c"]), Some(2));
        assert_eq!((positions.line(&["d", "c"]), positions.line(&["d", "b"])), (Some(5), None));
    }
}
