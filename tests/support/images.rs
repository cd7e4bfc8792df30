//! The images of the tests: built on this machine from a static busybox, never pulled.
//!
//! Their tags say what they were made from, so that what is there is right, and two checkouts on
//! one engine don't meet.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::OnceLock;

use super::{engine, fixture};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/images");
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/fixtures");
/// The last stage of each image in the Dockerfile.
pub(crate) const NAMES: [&str; 7] =
    ["busybox", "empty", "shellless", "server", "exits", "drops", "reference"];

/// What the Dockerfile copies, and itself.
const FILES: [&str; 4] = ["Dockerfile", "server", "drop", "reference"];

/// The tag of an image, which is built if it isn't there.
pub(crate) fn tag(name: &str) -> String {
    static VERSION: OnceLock<String> = OnceLock::new();
    format!("lem-test-{name}:{}", VERSION.get_or_init(build))
}

/// Builds what is missing, in one process at a time, and says which version it is of.
fn build() -> String {
    let busybox = Path::new(FIXTURES).join("busybox");
    assert!(busybox.exists(), "no {}: `scripts/setup.sh --for-tests`", busybox.display());
    let version = version(&busybox);
    let lock = File::create(Path::new(FIXTURES).join("images.lock")).unwrap();
    lock.lock().unwrap();
    let there = engine::docker(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
    let tags = NAMES.map(|name| (name, format!("lem-test-{name}:{version}")));
    let missing = tags.iter().filter(|(_, tag)| !there.lines().any(|line| line == tag));
    for (name, tag) in missing {
        let context = context(&busybox);
        let context = context.path().to_str().unwrap();
        engine::docker(&[
            "build",
            "--quiet",
            "--network",
            "none",
            "--target",
            name,
            "--tag",
            tag,
            context,
        ]);
    }
    version
}

/// The tag of an image that holds `fixtures/model_server` and nothing else.
pub(crate) fn model() -> String {
    static TAG: OnceLock<String> = OnceLock::new();
    let build = || {
        let program = fixture::model_server();
        let mut hasher = DefaultHasher::new();
        fs::read(program).unwrap().hash(&mut hasher);
        let tag = format!("lem-test-model:{:016x}", hasher.finish());
        if engine::docker(&["images", "--quiet", &tag]).is_empty() {
            let context = tempfile::tempdir().unwrap();
            fs::copy(program, context.path().join("model_server")).unwrap();
            fs::write(
                context.path().join("Dockerfile"),
                "FROM scratch\nCOPY model_server /model_server\nENTRYPOINT [\"/model_server\"]\n",
            )
            .unwrap();
            let context = context.path().to_str().unwrap();
            engine::docker(&["build", "--quiet", "--network", "none", "--tag", &tag, context]);
        }
        tag
    };
    TAG.get_or_init(build).clone()
}

fn version(busybox: &Path) -> String {
    let mut hasher = DefaultHasher::new();
    fs::metadata(busybox).unwrap().len().hash(&mut hasher);
    for name in FILES {
        fs::read(Path::new(FOLDER).join(name)).unwrap().hash(&mut hasher);
    }
    format!("{:016x}", hasher.finish())
}

fn context(busybox: &Path) -> tempfile::TempDir {
    let context = tempfile::tempdir().unwrap();
    fs::copy(busybox, context.path().join("busybox")).unwrap();
    for name in FILES {
        fs::copy(Path::new(FOLDER).join(name), context.path().join(name)).unwrap();
    }
    context
}
