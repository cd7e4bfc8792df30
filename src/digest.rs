//! Names that tell one content from another: the beginning of a SHA-256, in hexadecimal digits.

use sha2::{Digest, Sha256};

/// So many digits of it; 64 are all.
pub(crate) fn hex(bytes: &[u8], digits: usize) -> String {
    let digest = Sha256::digest(bytes);
    let nibbles = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles.take(digits).filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_sha256sum_prints() {
        assert_eq!(
            hex(b"", 64),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(hex(b"", 3), "e3b");
    }
}
