//! The text of a file: no more than anybody writes by hand, and UTF-8.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::{Place, YamlError};

/// The largest file that is read. What is written by hand or by a script for people is smaller.
pub(super) const LARGEST_MEBIBYTES: u64 = 16;
const LARGEST: u64 = LARGEST_MEBIBYTES << 20;

/// The text of whatever can be read: a person may pass a pipe on purpose.
pub(crate) fn of_stream(path: &Path) -> Result<String, YamlError> {
    let unreadable = |source| YamlError::Unreadable { path: path.to_owned(), source };
    limited(path, &File::open(path).map_err(unreadable)?)
}

/// The text that `bytes` are, which came from `path`.
pub(crate) fn decoded(path: &Path, bytes: Vec<u8>) -> Result<String, YamlError> {
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(&error.as_bytes()[..good]).into_owned();
        let line = lines(&text).count().max(1);
        let column = lines(&text).last().unwrap_or_default().chars().count() + 1;
        YamlError::Invalid {
            place: Box::new(Place::new(path, &text, line, column)),
            message: "the file is not UTF-8".to_owned(),
            help: None,
        }
    })
}

/// Its lines as YAML counts them: a lone carriage return ends one too.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

pub(super) fn limited(path: &Path, file: &File) -> Result<String, YamlError> {
    let mut bytes = Vec::new();
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| YamlError::Unreadable { path: path.to_owned(), source })?;
    if bytes.len() as u64 > LARGEST {
        return Err(YamlError::TooLarge { path: path.to_owned() });
    }
    decoded(path, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_never_ends_is_too_large() {
        let endless = of_stream(Path::new("/dev/zero"));
        assert!(matches!(endless, Err(YamlError::TooLarge { .. })));
    }

    #[test]
    fn bytes_that_are_no_text_are_found_where_they_stand() {
        let error = decoded(Path::new("a.yaml"), b"a: 1\r\nb: \xff\n".to_vec()).unwrap_err();
        assert!(error.to_string().contains("a.yaml:2:4"), "{error}");
        let error = decoded(Path::new("a.yaml"), b"\xff\xfea\0".to_vec()).unwrap_err();
        assert!(error.to_string().contains("a.yaml:1:1"), "{error}");
    }

    #[test]
    fn every_kind_of_line_end_ends_one_line() {
        let found: Vec<&str> = lines("a\nb\r\nc\rd").collect();
        assert_eq!(found, ["a", "b", "c", "d"]);
    }
}
