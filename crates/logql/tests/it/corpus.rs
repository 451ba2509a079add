//! Replays the inputs of the fuzzer.

use lucarne_logql::fuzzing::{fuzz_parse, fuzz_traceql};
use lucarne_testkit::replay;

#[test]
fn corpus_of_parse_replays() {
    replay("logql_parse", fuzz_parse);
}

#[test]
fn corpus_of_traceql_replays() {
    replay("logql_traceql", fuzz_traceql);
}
