//! The corpora of the fuzz targets of stages, templates and patterns.

use crate::fuzzing;

type Target = fn(&[u8]);

#[test]
fn the_corpora_replay() {
    let corpora: [(&str, Target); 3] = [
        ("logql_go_regex", fuzzing::fuzz_go_regex),
        ("logql_stage", fuzzing::fuzz_stage),
        ("logql_template", fuzzing::fuzz_template),
    ];
    for (name, target) in corpora {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/");
        let mut replayed = 0;
        for entry in std::fs::read_dir(alloc::format!("{corpus}{name}")).unwrap() {
            target(&std::fs::read(entry.unwrap().path()).unwrap());
            replayed += 1;
        }
        assert!(replayed >= 3, "{name}");
    }
}
