//! A log copied byte for byte, from some line near its end, for as long as it grows.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::foreign_file;

/// How often the log is looked at.
const TICK: Duration = Duration::from_millis(100);
/// How often it is asked whether the run has ended, which takes a look at the record.
const ASKED: Duration = Duration::from_millis(500);
/// Bytes that are read at once.
const BLOCK: usize = 64 * 1024;

/// When a copy is complete.
#[derive(Clone, Copy)]
pub(in crate::cli) enum Until<'a> {
    /// With what is there.
    Now,
    /// When this is true and everything was copied.
    Ended(&'a dyn Fn() -> bool),
}

/// A log that may not be there yet, and that another takes the place of when a run is tried again.
pub(in crate::cli) struct Log<'a> {
    pub path: &'a Path,
    /// How many lines of what is there already; all without it.
    pub lines: Option<usize>,
}

impl Log<'_> {
    /// Copies it. A reader that goes away, or a log that can't be read on, is the end.
    pub(in crate::cli) fn copy(&self, out: &mut impl Write, until: Until<'_>) {
        let mut open: Option<File> = None;
        let mut first = true;
        let mut asked = Instant::now();
        let mut ended = false;
        loop {
            if open.is_none() {
                open = foreign_file::open(self.path).ok();
                if let (Some(file), Some(lines), true) = (&mut open, self.lines, first) {
                    let _ = last_lines(file, lines).and_then(|at| file.seek(SeekFrom::Start(at)));
                }
                first = first && open.is_none();
            }
            // Asked before the log is read: what was written before it was replaced is copied.
            let replaced = open.as_ref().is_some_and(|file| self.is_replaced(file));
            if let Some(file) = &mut open
                && pour(file, out).is_err()
            {
                return;
            }
            if replaced {
                open = None;
                continue;
            }
            match until {
                Until::Ended(has_ended) if !ended => {
                    if asked.elapsed() >= ASKED {
                        // Then once more: what was written before the end.
                        ended = has_ended();
                        asked = Instant::now();
                    } else {
                        std::thread::park_timeout(TICK);
                    }
                }
                Until::Now | Until::Ended(_) => return,
            }
        }
    }

    /// Whether the name is another file's by now.
    fn is_replaced(&self, file: &File) -> bool {
        let (Ok(named), Ok(open)) = (std::fs::metadata(self.path), file.metadata()) else {
            return false;
        };
        (named.dev(), named.ino()) != (open.dev(), open.ino())
    }
}

/// Copies what there is to read now.
fn pour(from: &mut File, to: &mut impl Write) -> io::Result<()> {
    let mut bytes = vec![0; BLOCK];
    loop {
        match from.read(&mut bytes)? {
            0 => return to.flush(),
            read => to.write_all(&bytes[..read])?,
        }
    }
}

/// Where the last `count` lines of a file begin.
fn last_lines(file: &mut File, count: usize) -> io::Result<u64> {
    let length = file.seek(SeekFrom::End(0))?;
    let mut missing = count;
    let mut end = length;
    let mut bytes = vec![0; BLOCK];
    if count == 0 {
        return Ok(length);
    }
    while end > 0 {
        let start = end.saturating_sub(BLOCK as u64);
        let block = &mut bytes[..usize::try_from(end - start).unwrap_or(BLOCK)];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(block)?;
        for (at, byte) in block.iter().enumerate().rev() {
            let at = start + at as u64;
            // The line break at the very end ends the last line and begins none.
            if *byte == b'\n' && at + 1 < length {
                missing -= 1;
                if missing == 0 {
                    return Ok(at + 1);
                }
            }
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(bytes: &[u8], lines: Option<usize>) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("output.log");
        std::fs::write(&path, bytes).unwrap();
        let mut out = Vec::new();
        Log { path: &path, lines }.copy(&mut out, Until::Now);
        out
    }

    #[test]
    fn the_last_lines_are_whole_and_bytes_stay_as_they_are() {
        let text = b"one\ntwo\xff\x00\nthree";
        for (lines, expected) in [
            (None, &text[..]),
            (Some(0), b""),
            (Some(1), b"three"),
            (Some(2), b"two\xff\x00\nthree"),
            (Some(3), text),
            (Some(99), text),
        ] {
            assert_eq!(tail(text, lines), expected, "{lines:?}");
        }
        assert_eq!(tail(b"one\ntwo\n", Some(1)), b"two\n");
        assert_eq!(tail(b"\n\n\n", Some(2)), b"\n\n");
        assert_eq!(tail(b"", Some(2)), b"");
    }

    #[test]
    fn a_line_longer_than_a_block_is_found_whole() {
        let long = [vec![b'a'; BLOCK], vec![b'\n'], vec![b'b'; 3 * BLOCK]].concat();
        assert_eq!(tail(&long, Some(1)), vec![b'b'; 3 * BLOCK]);
    }
}
