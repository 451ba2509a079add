//! Replays the fuzz corpora: whatever was once found stays mended.

use lucarne_cli::capture;
use lucarne_cli::commands::audit::watch;
use lucarne_cli::otlp_client;
use lucarne_testkit::replay;

#[test]
fn corpora_are_replayed() {
    replay("cli_capture", capture::fuzzing::fuzz_capture);
    replay("cli_otlp_answer", otlp_client::fuzzing::fuzz_otlp_answer);
    replay("cli_watch_state", watch::fuzzing::fuzz_watch_state);
}
