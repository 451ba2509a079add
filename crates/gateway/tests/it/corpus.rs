//! Replays the fuzz corpora: whatever was once found stays mended.

use lucarne_gateway::fuzzing;
use lucarne_gateway::wal::fuzzing as wal;
use lucarne_testkit::replay;

#[test]
fn corpora_are_replayed() {
    replay("gateway_allowlist", fuzzing::fuzz_allowlist);
    replay("gateway_baseline", fuzzing::fuzz_baseline);
    replay("gateway_collector", fuzzing::fuzz_collector);
    replay("gateway_config", fuzzing::fuzz_config);
    replay("gateway_cursor", fuzzing::fuzz_cursor);
    replay("gateway_delivery", fuzzing::fuzz_delivery);
    replay("gateway_gate", fuzzing::fuzz_gate);
    replay("gateway_host_line", fuzzing::fuzz_host_line);
    replay("gateway_otlp_answer", fuzzing::fuzz_otlp_answer);
    replay("gateway_place", fuzzing::fuzz_place);
    replay("gateway_policy", fuzzing::fuzz_policy);
    replay("gateway_proxy_line", fuzzing::fuzz_proxy_line);
    replay("gateway_wal_frames", wal::fuzz_wal_frames);
    replay("gateway_wal_group", wal::fuzz_wal_group);
    replay("gateway_wal_manifest", wal::fuzz_wal_manifest);
    replay("gateway_websocket", fuzzing::fuzz_websocket);
}
