//! Tests of the gateway against what it talks to, one binary for all.

mod it {
    mod corpus;
    mod prometheus;
}

#[test]
fn every_file_beside_is_part_of_this_binary() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let Some("rs") = path.extension().and_then(|extension| extension.to_str()) else {
            continue;
        };
        let line = format!("mod {};", path.file_stem().unwrap().to_str().unwrap());
        assert!(include_str!("it.rs").contains(&line), "tests/it.rs lacks `{line}`");
    }
}
