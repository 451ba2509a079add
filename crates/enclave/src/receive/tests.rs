//! Both receivers over real sockets, with raw clients.

use std::sync::Mutex;

use bytes::Bytes;
use lucarne_otlp::Signal;
use lucarne_otlp::wire::Reader;

use crate::intake::{Accepted, Durability, Intake, Raw, Refusal};

/// Keeps what it is given, after walking it as the pipeline does.
#[derive(Debug, Default)]
pub(super) struct Sink {
    taken: Mutex<Vec<(Signal, Bytes, Durability)>>,
}

impl Intake for Sink {
    async fn accept(
        &self,
        signal: Signal,
        request: Raw<Bytes>,
        durability: Durability,
    ) -> Result<Accepted, Refusal> {
        let mut reader = Reader::new(request.inner());
        let walk = std::iter::from_fn(|| reader.next_field().transpose());
        let fields = walk.collect::<Result<Vec<_>, _>>();
        fields.map_err(|error| Refusal::Malformed(error.to_string()))?;
        self.taken.lock().unwrap().push((signal, request.inner().clone(), durability));
        Ok(Accepted::default())
    }
}
