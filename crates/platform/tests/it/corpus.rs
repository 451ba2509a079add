//! Replays the fuzz corpora: whatever was once found stays mended.

use lucarne_platform::fuzzing;
use lucarne_testkit::replay;

#[test]
fn corpora_are_replayed() {
    replay("platform_address", fuzzing::fuzz_address);
    replay("platform_nsm_answer", fuzzing::fuzz_nsm_answer);
}
