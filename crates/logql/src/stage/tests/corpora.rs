//! The corpora of the fuzz targets of stages, templates and patterns.

use lucarne_testkit::replay;

use crate::fuzzing;

#[test]
fn the_corpora_replay() {
    replay("logql_go_regex", fuzzing::fuzz_go_regex);
    replay("logql_stage", fuzzing::fuzz_stage);
    replay("logql_template", fuzzing::fuzz_template);
}
