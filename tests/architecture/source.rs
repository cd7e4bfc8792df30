//! The crate's source as text: which code stands where, comments and literals aside.

use std::fmt;
use std::path::{Path, PathBuf};

/// A source file below `src`.
pub(crate) struct Source {
    /// Relative to `src`: `campaign/file.rs`.
    pub(crate) path: String,
    pub(crate) text: String,
    /// The text with every comment and literal blanked, line for line the same.
    pub(crate) code: String,
}

/// A place that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Break {
    file: String,
    line: usize,
    what: String,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "src/{}:{}: {}", self.file, self.line, self.what)
    }
}

/// Fails with every break on a line of its own.
pub(crate) fn hold(rule: &str, breaks: &[Break]) {
    let lines: Vec<String> = breaks.iter().map(|at| format!("\n  {at}")).collect();
    assert!(breaks.is_empty(), "{rule}{}", lines.concat());
}

/// Every source file of the crate.
pub(crate) fn all() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut sources) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                sources.push(Source::new(name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(sources.len() > 50, "only {} source files were found", sources.len());
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

impl Source {
    pub(crate) fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { path: path.into(), code: blanked(&text), text }
    }

    /// The area that the file belongs to: `campaign`, `yaml`; `lib` and `main` are the crate root.
    pub(crate) fn area(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    pub(crate) fn is_root(&self) -> bool {
        matches!(self.area(), "lib" | "main")
    }

    /// How deep the file's module is below the crate root.
    pub(crate) fn depth(&self) -> usize {
        let parts = self.path.split('/').count();
        if self.path.ends_with("/mod.rs") { parts - 1 } else { parts }
    }

    /// A break at a byte of the text or the code.
    pub(crate) fn breaks(&self, at: usize, what: impl Into<String>) -> Break {
        // Blanking keeps lines but not bytes, so both have the same lines.
        let line = self.code[..at].matches('\n').count() + 1;
        self.breaks_line(line, what)
    }

    pub(crate) fn breaks_line(&self, line: usize, what: impl Into<String>) -> Break {
        Break { file: self.path.clone(), line, what: what.into() }
    }

    /// Where the code has `word` as a whole word.
    pub(crate) fn words<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        let part = |c: char| c.is_alphanumeric() || c == '_';
        self.code.match_indices(word).map(|(at, _)| at).filter(move |at| {
            !self.code[..*at].ends_with(part) && !self.code[at + word.len()..].starts_with(part)
        })
    }

    /// What every `crate::…` path of the code names after `crate::`, groups taken apart:
    /// `crate::{cancel, yaml::keys}` is `cancel` and `yaml::keys`.
    pub(crate) fn crate_paths(&self) -> Vec<(usize, String)> {
        let mut paths = Vec::new();
        for at in self.words("crate") {
            if let Some(rest) = self.code[at + "crate".len()..].strip_prefix("::") {
                paths.extend(heads(rest).into_iter().map(|path| (at, path)));
            }
        }
        paths
    }
}

/// The paths that a use tree starts with; a group's members are expanded, nested ones too.
fn heads(tree: &str) -> Vec<String> {
    let tree = tree.trim_start();
    let Some(inside) = tree.strip_prefix('{') else {
        let end = tree.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
        let path = &tree[..end.unwrap_or(tree.len())];
        return match (path.strip_suffix("::"), end) {
            (Some(head), Some(end)) if tree[end..].starts_with('{') => {
                heads(&tree[end..]).iter().map(|tail| format!("{head}::{tail}")).collect()
            }
            _ => vec![path.to_owned()],
        };
    };
    let (mut depth, mut start, mut members) = (0, 0, Vec::new());
    for (at, c) in inside.char_indices() {
        match c {
            '{' => depth += 1,
            ',' if depth == 0 => {
                members.push(&inside[start..at]);
                start = at + 1;
            }
            '}' if depth == 0 => {
                members.push(&inside[start..at]);
                break;
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    members.into_iter().filter(|m| !m.trim().is_empty()).flat_map(heads).collect()
}

/// The text with comments, strings and character literals as blanks; line breaks stay.
fn blanked(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = literal_end(&chars, at);
        if end == at {
            code.push(chars[at]);
            at += 1;
        } else {
            code.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    code
}

/// Where the comment or literal that starts here ends; here, where none starts.
fn literal_end(chars: &[char], at: usize) -> usize {
    let next = |n: usize| chars.get(at + n).copied();
    let in_word = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    match (chars[at], next(1)) {
        ('/', Some('/')) => find(chars, at, |rest| rest[0] == '\n'),
        ('/', Some('*')) => find(chars, at, |rest| rest.starts_with(&['*', '/'])) + 2,
        ('"', _) => string_end(chars, at),
        ('r', Some('"' | '#')) if !in_word || chars[at - 1] == 'b' => {
            let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
            if next(1 + hashes) != Some('"') {
                return at;
            }
            let close: Vec<char> = std::iter::once('"').chain(vec!['#'; hashes]).collect();
            find(chars, at + hashes + 2, |rest| rest.starts_with(&close)) + close.len()
        }
        ('\'', Some('\\')) => find(chars, at + 3, |rest| rest[0] == '\'') + 1,
        // Not a lifetime: it is closed after one character.
        ('\'', Some(_)) if next(2) == Some('\'') => at + 3,
        _ => at,
    }
}

fn string_end(chars: &[char], start: usize) -> usize {
    let mut at = start + 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

fn find(chars: &[char], from: usize, is: impl Fn(&[char]) -> bool) -> usize {
    (from..chars.len()).find(|at| is(&chars[*at..])).unwrap_or(chars.len())
}
