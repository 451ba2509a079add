//! OTLP requests become streams, lines and metadata.

use lucarne_otlp::wire::Writer;

use super::*;

fn string(w: &mut Writer<'_>, field: u32, key: &str, value: &str) {
    w.message(field, |w| {
        w.bytes(1, key.as_bytes());
        w.message(2, |w| w.bytes(1, value.as_bytes()));
    });
}

fn request(record: impl Fn(&mut Writer<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    Writer::new(&mut out).message(1, |w| {
        w.message(1, |w| {
            string(w, 1, "service.name", "engine");
            string(w, 1, "host.name", "h1");
        });
        w.message(2, |w| {
            w.message(1, |w| w.bytes(1, b"scope"));
            w.message(2, &record);
        });
    });
    out
}

#[test]
fn a_record_is_a_line_with_labels_and_metadata() {
    let store = Store::new(config(), Vault::memory()).unwrap();
    let request = request(|w| {
        w.fixed64(1, 1_700);
        w.varint(2, 17);
        w.bytes(3, b"ERROR");
        w.message(5, |w| w.bytes(1, "exact \t line é".as_bytes()));
        string(w, 6, "error.code", "E_1");
        string(w, 6, "error_code", "second");
        w.message(6, |w| {
            w.bytes(1, b"ms");
            w.message(2, |w| w.varint(3, 412));
        });
        w.bytes(9, &[0xa7; 16]);
        w.bytes(10, &[0x5c; 8]);
    });
    let ingested = store.ingest_logs(&request, 9).unwrap();
    assert_eq!(ingested, Ingested { records: 1, ..Ingested::default() });
    let metadata = [
        ("detected_level", "error"),
        ("error_code", "E_1"),
        ("host_name", "h1"),
        ("ms", "412"),
        ("scope_name", "scope"),
        ("severity_number", "17"),
        ("severity_text", "ERROR"),
        ("span_id", "5c5c5c5c5c5c5c5c"),
        ("trace_id", "a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7"),
    ];
    let labels = [("job", "tee"), ("level", "Error"), ("service_name", "engine")];
    let expected = Row {
        labels: LabelSet::from_pairs(labels),
        time_ns: 1_700,
        line: "exact \t line é".to_owned(),
        metadata: metadata.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
    };
    // The same out of a head and out of a block.
    assert_eq!(rows_of(&store, &EVERYTHING).0, std::slice::from_ref(&expected));
    store.maintain(9);
    assert_eq!(rows_of(&store, &EVERYTHING).0, [expected]);
}

#[test]
fn what_is_missing_has_a_meaning() {
    let store = Store::new(config(), Vault::memory()).unwrap();
    store.ingest_logs(&request(|w| w.fixed64(11, 55)), 9).unwrap();
    store.ingest_logs(&request(|w| w.bytes(3, b"warn")), 9).unwrap();
    let (rows, _) = rows_of(&store, &EVERYTHING);
    let seen: Vec<_> = rows
        .iter()
        .map(|row| (row.time_ns, row.labels.get("level").unwrap(), row.line.as_str()))
        .collect();
    assert_eq!(seen, [(9, "Warning", ""), (55, "Information", "")]);
}

#[test]
fn a_request_is_kept_whole_or_not_at_all() {
    let store = Store::new(config(), Vault::memory()).unwrap();
    let mut broken = request(|w| w.bytes(3, b"warn"));
    broken.extend_from_slice(&request(|w| w.bytes(3, b"\xff")));
    let error = store.ingest_logs(&broken, 9).unwrap_err();
    assert_eq!(error.to_string(), "the request cannot be read");
    assert_eq!(store.report(), Report::default());
}

#[test]
fn limits_leave_out_and_count() {
    let store = Store::new(config(), Vault::memory()).unwrap();
    let long = "x".repeat(crate::block::VALUE_BYTES_MAX + 1);
    let too_long = request(|w| w.message(5, |w| w.bytes(1, long.as_bytes())));
    let ingested = store.ingest_logs(&too_long, 9).unwrap();
    assert_eq!(ingested, Ingested { lines_too_long: 1, ..Ingested::default() });
    let crowded = request(|w| {
        for n in 0..130 {
            string(w, 6, &format!("a{n}"), "v");
        }
    });
    let ingested = store.ingest_logs(&crowded, 9).unwrap();
    // 128 fit; 130 attributes, the level, the host and the scope came.
    assert_eq!(ingested, Ingested { records: 1, metadata_dropped: 5, ..Ingested::default() });
}

/// With as many labels as a block allows, those that the store itself adds have their places.
#[test]
fn the_level_and_the_service_have_their_places_among_the_labels() {
    let names = crate::stream::INDEXED.iter().filter(|name| **name != "service.name");
    let store = Store::new(config(), Vault::memory()).unwrap();
    let mut request = Vec::new();
    Writer::new(&mut request).message(1, |w| {
        w.message(1, |w| names.clone().for_each(|name| string(w, 1, name, "v")));
        w.message(2, |w| w.message(2, |w| w.fixed64(1, 1_700)));
    });
    assert_eq!(store.ingest_logs(&request, 9).unwrap().records, 1);
    store.maintain(9);
    let (rows, stats) = rows_of(&store, &EVERYTHING);
    assert_eq!((rows.len(), stats.blocks_read), (1, 1), "{stats:?}");
    let labels: Vec<&str> = rows[0].labels.iter().map(|(name, _)| name).collect();
    assert!(labels.contains(&"level") && labels.contains(&"service_name"), "{labels:?}");
}
