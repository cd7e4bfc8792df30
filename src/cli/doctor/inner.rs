//! The container build of lem: found, of this version, and able to start in any image.

use std::path::Path;

use super::files::Services;
use super::finding::{Check, Finding, Status};
use crate::campaign::container_build;
use crate::campaign::error::CampaignError;
use crate::cancel::Cancel;

const INSTALL: &str = "`make install` puts both builds in place; LEM_CONTAINER_BIN names another";

/// The same for the services of a campaign, of which some may do without it.
pub(super) fn for_services(mut finding: Finding, services: Option<&Services>) -> Finding {
    let used = || services.iter().flat_map(|services| &services.used);
    let lets_it_in = |name: &&String| {
        let service = services.and_then(|services| services.resolved.services.get(*name));
        service.is_none_or(|service| service.lem.lets_inner_lem_in())
    };
    let without: Vec<String> =
        used().filter(|name| !lets_it_in(name)).map(|name| format!("`{name}`")).collect();
    if without.is_empty() {
        return finding;
    }
    let does = if without.len() == 1 { "does" } else { "do" };
    let said = format!("; {} {does} without it (`x-lem: {{inner: false}}`)", without.join(", "));
    finding.found.push_str(&said);
    if without.len() == used().count() && finding.status == Status::Failure {
        finding.status = Status::Warning;
    }
    finding
}

/// Looks for it.
pub(super) async fn build(cancel: &Cancel) -> Finding {
    let check = Check::ContainerBuild;
    let path = match container_build::find(cancel).await {
        Ok(path) => path,
        Err(CampaignError::NoInner { reason }) => {
            return Finding::failure(check, format!("not usable: {reason}"), INSTALL);
        }
        Err(error) => return Finding::failure(check, error.to_string(), INSTALL),
    };
    match interpreter(&path) {
        Ok(Linking::Static) => {
            Finding::fine(check, format!("{}, of this version and static", path.display()))
        }
        Ok(Linking::Dynamic) => Finding::failure(
            check,
            format!("{} is linked to a libc, which an image may lack", path.display()),
            "build a static one: `make container`",
        ),
        Err(error) => {
            Finding::failure(check, format!("{} can't be read: {error}", path.display()), INSTALL)
        }
    }
}

/// How a program finds its libraries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Linking {
    Static,
    /// It names an interpreter, the loader of its libc.
    Dynamic,
}

fn interpreter(path: &Path) -> std::io::Result<Linking> {
    use std::io::Read;
    // The program headers of a Linux program follow its first header.
    let mut start = Vec::new();
    std::fs::File::open(path)?.take(4096).read_to_end(&mut start)?;
    Ok(linking(&start))
}

/// Reads the program headers of a 64-bit little-endian ELF file; anything else is left to itself.
fn linking(start: &[u8]) -> Linking {
    const NAMES_INTERPRETER: u64 = 3;
    let number = |at: usize, bytes: usize| -> Option<u64> {
        let field = start.get(at..at.checked_add(bytes)?)?;
        Some(field.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    };
    if start.get(..6) != Some(&[0x7f, b'E', b'L', b'F', 2, 1]) {
        return Linking::Static;
    }
    let (Some(table), Some(size), Some(count)) = (number(32, 8), number(54, 2), number(56, 2))
    else {
        return Linking::Static;
    };
    let kind = |index: u64| number(usize::try_from(table + index * size).ok()?, 4);
    if (0..count).any(|index| kind(index) == Some(NAMES_INTERPRETER)) {
        Linking::Dynamic
    } else {
        Linking::Static
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_with_an_interpreter_is_dynamic() {
        // This test is one, as the host's lem is.
        let own = std::env::current_exe().unwrap();
        assert_eq!(interpreter(&own).unwrap(), Linking::Dynamic);
        for text in [&b""[..], b"#!/bin/sh\n", b"\x7fELF\x02\x01", &[0xff; 100]] {
            assert_eq!(linking(text), Linking::Static);
        }
    }
}
