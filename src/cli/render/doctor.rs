//! What `lem doctor` found, for people: a line for each check, and below it what to do.

use super::super::doctor::{Finding, Status};
use super::{counted, out};

/// Prints findings and what they come to.
pub(in crate::cli) fn findings(findings: &[Finding]) {
    let width = findings.iter().map(|f| f.check.words().len()).max().unwrap_or_default();
    for finding in findings {
        let (mark, indent) = (mark(finding.status), " ".repeat(width + 4));
        let mut lines = finding.found.lines();
        let first = lines.next().unwrap_or_default();
        out(&format!("{mark} {:width$}  {first}", finding.check.words()));
        for line in lines {
            out(&format!("{indent}{line}"));
        }
        if let Some(fix) = &finding.fix {
            out(&format!("{indent}→ {fix}"));
        }
    }
    let count = |status| findings.iter().filter(|f| f.status == status).count();
    let (failures, warnings) = (count(Status::Failure), count(Status::Warning));
    out(&format!("\n{}, {}", counted(failures, "failure"), counted(warnings, "warning")));
}

fn mark(status: Status) -> char {
    match status {
        Status::Fine => '✓',
        Status::Warning => '!',
        Status::Failure => '✗',
        Status::NotApplicable => '-',
    }
}
