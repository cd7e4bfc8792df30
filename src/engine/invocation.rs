//! A `docker` command line as a plain value.
//!
//! Nothing here starts a process, so every argument list in the crate can be tested by comparing
//! text. [`super::process`] is the only module that runs one.

use std::fmt;
use std::path::{Path, PathBuf};

/// A command line: a program, its arguments, and what its environment adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invocation {
    /// The program to start.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Set in the child's environment, never shown: this is how values stay out of argument lists.
    pub environment: Vec<(String, String)>,
    /// Where the child starts; this process's directory when absent.
    pub directory: Option<PathBuf>,
}

impl Invocation {
    /// A command line with these arguments.
    pub(crate) fn new<I>(program: &Path, arguments: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        Self {
            program: program.to_owned(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            environment: Vec::new(),
            directory: None,
        }
    }

    /// Adds arguments at the end.
    pub(crate) fn with<I>(mut self, arguments: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Its words as a person would paste them: the program by its file name, quoted where needed.
    pub(crate) fn words(&self) -> Vec<String> {
        let program = self.program.file_name().unwrap_or(self.program.as_os_str());
        std::iter::once(program.to_string_lossy().into_owned())
            .chain(self.arguments.iter().cloned())
            .collect()
    }
}

impl fmt::Display for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.words().iter().map(|word| quoted(word)).collect();
        f.write_str(&words.join(" "))
    }
}

/// One word for a POSIX shell, as an argument: `NAME=VALUE` needs no quotes there.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:,=@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    // Only a NUL byte can't be quoted, and no argument can hold one.
    shlex::try_quote(word).map_or_else(|_| String::from("''"), std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_can_be_pasted_whatever_its_words_hold() {
        let line =
            Invocation::new(Path::new("/usr/bin/docker"), ["run", "a b", "$HOME", "it's", ""]);
        let shown = line.to_string();
        assert_eq!(shlex::split(&shown).unwrap(), ["docker", "run", "a b", "$HOME", "it's", ""]);
    }
}
