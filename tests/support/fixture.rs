//! What tests take of `fixtures/`: the libraries that are loaded into lem, and programs.
//!
//! Cargo builds examples only along with all tests, so what is missing or older than its source is
//! built here.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");

/// The library of `fixtures/NAME.rs`.
pub(crate) fn library(name: &str) -> PathBuf {
    let library = folder().join(format!("examples/lib{name}.so"));
    if changed(&library) < changed(Path::new(&format!("{FIXTURES}/{name}.rs"))) {
        let done = cargo("build", name).status().unwrap();
        assert!(done.success(), "{name} can't be built");
    }
    library
}

/// `fixtures/model_server`, linked statically: it runs here, and in an image that is empty.
pub(crate) fn model_server() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        const NAME: &str = "model_server";
        let program = folder().join("static").join(NAME);
        fs::create_dir_all(program.with_file_name("")).unwrap();
        // Tests run in processes of their own, and many want it at once.
        let lock = File::create(program.with_extension("lock")).unwrap();
        lock.lock().unwrap();
        let sources = fs::read_dir(Path::new(FIXTURES).join(NAME)).unwrap().flatten();
        let newest = sources.map(|entry| changed(&entry.path())).max().unwrap();
        if changed(&program) < newest {
            let mut build = cargo("rustc", NAME);
            build.args(["--", "-C", "target-feature=+crt-static", "-C", "strip=symbols"]);
            assert!(build.status().unwrap().success(), "{NAME} can't be built");
            // By rename, since it may be running.
            let new = program.with_extension("new");
            fs::copy(folder().join("examples").join(NAME), &new).unwrap();
            fs::rename(new, &program).unwrap();
        }
        program
    })
}

/// Where cargo put lem.
fn folder() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_lem")).parent().unwrap()
}

fn cargo(verb: &str, example: &str) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args([verb, "--quiet", "--locked", "--example", example, "--target-dir"]);
    cargo.arg(folder().parent().unwrap()).current_dir(env!("CARGO_MANIFEST_DIR"));
    if folder().ends_with("release") {
        cargo.arg("--release");
    }
    cargo
}

fn changed(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|data| data.modified()).ok()
}
