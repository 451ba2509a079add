//! The driver of `cargo xtask bench peers`, with a tiny load and nobody but us.

#[path = "../../examples/peers/measure.rs"]
pub(crate) mod measure;

use std::path::PathBuf;

use measure::capture::Capture;
use measure::collectors::{Collector, KINDS, Work, written};
use measure::ours::{Exports, Setup};
use measure::{measure_collector, measure_ours, table};

#[test]
fn a_tiny_load_is_measured_through_all_of_our_processes() {
    let capture = Capture::new(3, 50);
    for exports in [Exports::Nothing, Exports::Loki, Exports::Lines] {
        let setup = Setup { inside: exports == Exports::Nothing, exports };
        let rows = measure_ours(&capture, 8, setup).unwrap();
        let who: Vec<&str> = rows.iter().map(|row| row.who.as_str()).collect();
        assert_eq!(who, ["enclave", "proxy", "gateway"]);
        for row in &rows {
            assert_eq!((row.records, row.does.as_str()), (400, setup.words().as_str()));
            assert!(row.seconds > 0.0 && row.cpu_seconds >= 0.0 && row.peak_mib > 1.0, "{row:?}");
        }
        assert!(rows[0].p99.is_some() && rows[1].p99.is_none());
        let told = table(&rows);
        assert_eq!(told.lines().count(), 5, "{told}");
        assert!(told.contains(&format!("\n| gateway | {} | ", setup.words())), "{told}");
    }
}

#[test]
fn a_collector_that_is_not_there_is_named() {
    let collector = Collector { kind: KINDS[0], program: PathBuf::from("/no/such/otelcol") };
    let refused = measure_collector(&Capture::new(1, 1), 1, &collector, Work::Values).unwrap_err();
    assert!(refused.starts_with("start otelcol-contrib: "), "{refused}");
}

#[test]
fn each_collectors_file_has_its_places_filled_in() {
    let at = |port: u16| ([127, 0, 0, 1], port).into();
    for kind in KINDS {
        let works = kind.works();
        let texts: Vec<String> = works
            .iter()
            .map(|&work| written(kind.file(), work, [at(4317), at(4318), at(9999)]))
            .collect();
        assert_eq!(works[0], Work::Passes, "{kind:?}");
        for (index, (text, work)) in texts.iter().zip(works).enumerate() {
            // Rotel is told by a flag whether to run its file.
            let is_like_another = texts[..index].contains(text);
            assert_eq!(is_like_another, index > 0 && kind.extension() == "py", "{kind:?}");
            assert!(!text.contains("{otlp") && !text.contains("{sink"), "{kind:?}: {text}");
            if kind.extension() == "yaml" {
                let read = serde_saphyr::from_str::<serde_json::Value>(text).unwrap().to_string();
                assert!(read.contains("4317"), "{kind:?}");
                let names = read.contains("tenantHash");
                let values = read.contains("[0-9]{16}");
                match work {
                    Work::Passes => {}
                    Work::Names => assert!(names && !values, "{kind:?}"),
                    Work::Values => assert!(values, "{kind:?}"),
                }
            }
        }
    }
}
