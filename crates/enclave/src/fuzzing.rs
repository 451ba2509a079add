//! Total functions over hostile input, for the fuzz targets and the replay of their corpora.
//!
//! Those of the receivers are in `receive::fuzzing`.

use crate::config;
use crate::probe::{self, Check};

/// What a workload may answer when it is asked whether it lives.
pub fn fuzz_probe_answer(answer: &[u8]) {
    probe::judge_bytes(answer);
}

/// A check as the configuration writes it. It is one line, and so is what is wrong with it.
pub fn fuzz_probe_check(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    match text.parse::<Check>() {
        Ok(Check::Http { path, .. }) => assert!(path.starts_with('/') && !path.contains(' ')),
        Ok(Check::Tcp(_) | Check::Grpc { .. }) => {}
        Err(error) => assert!(!error.to_string().contains('\n'), "an error is one line"),
    }
}

/// The configuration; whatever it is, the answer is a configuration or a line of text.
pub fn fuzz_config(yaml: &[u8]) {
    let Ok(yaml) = std::str::from_utf8(yaml) else { return };
    if let Some(problem) = config::problem_of(yaml) {
        assert!(!problem.contains('\n'), "an error is one line");
    }
}
