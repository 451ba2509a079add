//! The inputs of the fuzzer, and each of their prefixes, hold what must hold for any input.

use std::fs;

use lucarne_logql::fuzzing::fuzz_parse;

#[test]
fn corpus_of_parse_replays() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/logql_parse");
    let mut count = 0_usize;
    for entry in fs::read_dir(folder).unwrap() {
        let input = fs::read(entry.unwrap().path()).unwrap();
        for end in 0..=input.len() {
            fuzz_parse(&input[..end]);
        }
        count += 1;
    }
    assert!(count >= 20, "corpus of logql_parse has {count} files");
}
