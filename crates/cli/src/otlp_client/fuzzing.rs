//! Total functions over hostile input, for the fuzz targets and the replay of their corpora.

use super::outcome::{Outcome, accepted_json, accepted_protobuf, from_grpc_status};

/// What a receiver answers, read as each of the answers that there are.
pub fn fuzz_otlp_answer(answer: &[u8]) {
    drop([accepted_protobuf(answer), accepted_json(answer)]);
    if let Outcome::Refused { after: Some(after), .. } = from_grpc_status(8, Some(answer)) {
        assert!(after.subsec_nanos() < 1_000_000_000);
    }
}
