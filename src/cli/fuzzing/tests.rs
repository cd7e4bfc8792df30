//! Any bytes, anything that looks like what lem reads, and the seeds of the fuzz targets.

use std::path::Path;

use proptest::prelude::*;

use super::KINDS;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_an_answer_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for (_, check) in KINDS {
            check(&bytes);
        }
    }
}

#[test]
fn every_seed_keeps_the_promises_whatever_reads_it() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    for (kind, _) in KINDS {
        let files: Vec<_> = std::fs::read_dir(seeds.join(kind)).unwrap().flatten().collect();
        assert!(!files.is_empty(), "{kind} has no seeds");
        for file in files {
            let bytes = std::fs::read(file.path()).unwrap();
            for (_, check) in KINDS {
                check(&bytes);
            }
        }
    }
}
