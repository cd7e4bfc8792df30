//! What lem keeps is for its user alone, whatever the umask is.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::support::{Running, Scene, eventually};

#[test]
fn state_is_for_its_owner_alone_whatever_the_umask_is() {
    let scene = Scene::without_containers();
    scene.scripts(&["echo {} >result.json"], "");
    let mut shell = Command::new("sh");
    scene.furnish(&mut shell).args(["-c", "umask 0; exec \"$0\" \"$@\""]);
    shell.arg(env!("CARGO_BIN_EXE_lem"));
    shell.args(["campaign", "--yes", "--json", "--detach", "--runner", "local"]);
    Running::start(&mut shell).wait().expect(0);
    eventually("the campaign is finished", || {
        scene.path(".state/campaign_manifest.json").exists().then_some(())
    });

    let mode = |path: &std::path::PathBuf| {
        // What the lem that ends in this moment has removed meanwhile is nobody's.
        let metadata = path.metadata().ok()?;
        Some((metadata.is_dir(), metadata.permissions().mode() & 0o777))
    };
    let mut seen = 0;
    for path in scene.listing() {
        let state = path.starts_with(scene.path(".state"));
        match mode(&path) {
            Some((true, mode)) if state || path.starts_with(scene.path("machine")) => {
                assert_eq!(mode, 0o700, "{}", path.display());
            }
            Some((false, mode)) if state => assert_eq!(mode, 0o600, "{}", path.display()),
            _ => continue,
        }
        seen += 1;
    }
    // The folders, the record, the manifest, the log and the events.
    assert!(seen >= 8, "{seen}");
}
