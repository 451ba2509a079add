//! Total functions over hostile input, for the fuzz targets and the replay of their corpora.

use lucarne_otlp::Signal;

use super::values;

/// Reads a capture and walks what is in it.
pub fn fuzz_capture(bytes: &[u8]) {
    for request in super::parse(bytes, Some(Signal::Logs)).into_iter().flatten() {
        // What is not OTLP ends the walk with an error.
        values::walk(request.signal, &request.bytes, &mut |_| {}).unwrap_or_default();
    }
}
