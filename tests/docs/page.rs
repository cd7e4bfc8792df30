//! A Markdown page as its reader takes it apart: blocks, tables, words in code type, links.

use std::path::{Path, PathBuf};

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A page of the documentation.
pub(crate) struct Page {
    /// Relative to the repository: `docs/strategies.md`.
    pub(crate) path: String,
    text: String,
}

/// A fenced block.
pub(crate) struct Block {
    pub(crate) language: String,
    pub(crate) text: String,
    /// Where it stands: `README.md:12`.
    pub(crate) place: String,
}

impl Page {
    pub(crate) fn read(path: &str) -> Self {
        let text = std::fs::read_to_string(root().join(path)).unwrap();
        Self { path: path.to_owned(), text }
    }

    /// The fenced blocks, in order.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut open: Option<Block> = None;
        for (index, line) in self.text.lines().enumerate() {
            match (line.strip_prefix("```"), &mut open) {
                (Some(language), None) => {
                    let place = format!("{}:{}", self.path, index + 1);
                    let language = language.trim().to_owned();
                    open = Some(Block { language, text: String::new(), place });
                }
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (None, Some(block)) => block.text.push_str(&format!("{line}\n")),
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{}: a block is not closed", self.path);
        blocks
    }

    /// The rows of the first table below a heading, without its head: one text per cell.
    pub(crate) fn table(&self, heading: &str) -> Vec<Vec<String>> {
        let mut lines = self.text.lines().skip_while(|line| *line != heading);
        assert!(lines.next().is_some(), "{} has no heading `{heading}`", self.path);
        let rows = lines.skip_while(|line| !line.starts_with('|')).skip(2);
        let cells = |row: &str| {
            row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
        };
        rows.take_while(|line| line.starts_with('|')).map(cells).collect()
    }

    /// The words in code type in one column of that table.
    pub(crate) fn column(&self, heading: &str, column: usize) -> Vec<String> {
        self.table(heading).iter().flat_map(|row| spans(&row[column])).collect()
    }

    /// All words in code type outside of blocks, line breaks as spaces.
    pub(crate) fn spans(&self) -> Vec<String> {
        spans(&self.prose())
    }

    /// The targets of links to other files of the repository.
    pub(crate) fn links(&self) -> Vec<PathBuf> {
        let folder = root().join(&self.path).parent().unwrap().to_owned();
        let prose = self.prose();
        let targets = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        targets
            .filter(|target| !target.contains("://") && !target.starts_with('#'))
            .map(|target| folder.join(target.split('#').next().unwrap()))
            .collect()
    }

    fn prose(&self) -> String {
        self.text.split("```").step_by(2).collect()
    }
}

fn spans(text: &str) -> Vec<String> {
    let spans = text.split('`').skip(1).step_by(2);
    spans.map(|span| span.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}
