//! The load: requests that are encoded once, before anything is measured, and sent to everybody.

use std::time::Duration;

use bytes::Bytes;
use lucarne_cli::load::batch::Batches;
use lucarne_cli::load::template::Shape;
use lucarne_cli::load::{Mix, Plan, Until};
use lucarne_cli::otlp_client::{Options, Protocol};

/// Requests of log records.
#[derive(Clone, Debug)]
pub(crate) struct Capture {
    requests: Vec<Bytes>,
    /// Records of each.
    pub(crate) batch: u64,
}

impl Capture {
    /// So many different requests of so many records.
    pub(crate) fn new(requests: u64, batch: u64) -> Self {
        Self::of(requests, batch, SEED)
    }

    /// A request of one record that is in no other capture, and the id of that record.
    pub(crate) fn last() -> (Bytes, String) {
        let request = Self::of(1, 1, SEED + 1).request(0);
        let id = request.windows(ID_BYTES).find(|window| window.starts_with(b"exec-"));
        let id = String::from_utf8_lossy(id.unwrap_or_default()).into_owned();
        (request, id)
    }

    fn of(requests: u64, batch: u64, seed: u64) -> Self {
        let batches = Batches::new(&plan(batch, seed));
        let encoded = (0..requests).filter_map(|index| batches.at(index));
        let requests = encoded.map(|one| batches.encode(&one).message.into()).collect();
        Self { requests, batch }
    }

    /// Request `index`; they come round again.
    pub(crate) fn request(&self, index: u64) -> Bytes {
        let at = usize::try_from(index).unwrap_or(0) % self.requests.len().max(1);
        self.requests.get(at).cloned().unwrap_or_default()
    }
}

/// Records of 300 bytes with ten attributes, the same ones in every run but for their time.
fn plan(batch: u64, seed: u64) -> Plan {
    Plan {
        client: Options {
            endpoint: std::net::SocketAddr::from(([127, 0, 0, 1], 4317))
                .to_string()
                .parse()
                .unwrap_or_else(|_| unreachable!("an address is an endpoint")),
            protocol: Protocol::Grpc,
            durability: None,
            timeout: Duration::from_secs(30),
        },
        rate: None,
        batch,
        shape: Shape { size: 300, attributes: 10 },
        connections: 1,
        in_flight: 1,
        until: Until::Elapsed(Duration::MAX),
        planted: Vec::new(),
        mix: Mix::Logs,
        seed,
        ids: None,
        patience: Duration::from_secs(60),
    }
}

const SEED: u64 = 1;
/// `exec-abcd-000000000`.
const ID_BYTES: usize = 19;
