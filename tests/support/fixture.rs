//! The libraries of `fixtures/` that tests load into lem.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The library of `fixtures/NAME.rs`, built where it is missing or older than its source: cargo
/// builds examples only along with all tests.
pub(crate) fn library(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_BIN_EXE_lem")).parent().unwrap();
    let library = folder.join(format!("examples/lib{name}.so"));
    let source = format!("{}/fixtures/{name}.rs", env!("CARGO_MANIFEST_DIR"));
    let time = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    if time(&library) < time(Path::new(&source)) {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--locked", "--example", name, "--target-dir"]);
        build.arg(folder.parent().unwrap()).current_dir(env!("CARGO_MANIFEST_DIR"));
        if folder.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().unwrap().success(), "{source} can't be built");
    }
    library
}
