//! Total functions over hostile input, for the fuzz targets and the replay of their corpora.

use lucarne_otlp::Signal;

use crate::contract::Contract;

/// Reads a contract; whatever it is, the answer is a contract or a line of text.
pub fn fuzz_contract(yaml: &[u8]) {
    let Ok(yaml) = core::str::from_utf8(yaml) else { return };
    if let Err(error) = Contract::parse(yaml) {
        let line = alloc::format!("{error}");
        assert!(!line.contains('\n'), "an error is one line");
    }
}

/// Sanitises a logs request by the default contract.
pub fn fuzz_logs(request: &[u8]) {
    fuzz_request(Signal::Logs, request);
}

/// Sanitises a metrics request by the default contract.
pub fn fuzz_metrics(request: &[u8]) {
    fuzz_request(Signal::Metrics, request);
}

/// Sanitises a traces request by the default contract.
pub fn fuzz_traces(request: &[u8]) {
    fuzz_request(Signal::Traces, request);
}

fn fuzz_request(signal: Signal, request: &[u8]) {
    let contract = Contract::default_contract();
    let mut scratch = crate::Scratch::default();
    if let Ok(sanitized) = contract.sanitize(signal, request, &mut scratch) {
        let parts = sanitized.into_parts();
        let bytes: usize = parts.telemetry.iter().map(|run| run.size_bytes()).sum();
        // A record of two bytes can become a line that says so, but nothing grows without bound.
        assert!(bytes <= request.len().saturating_mul(64).saturating_add(4096));
    }
}
