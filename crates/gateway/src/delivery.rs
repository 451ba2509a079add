//! What the write-ahead log carries: a screened batch with what its export needs, or word of a
//! refused one.
//!
//! Deterministic CBOR, read strictly: the log is our own, but a disk is not to be trusted with its
//! layout.

use bytes::Bytes;
use lucarne_ledger::cbor::{CborError, Reader, Writer};
use lucarne_otlp::Signal;

use crate::export::HostJob;

/// One entry of the write-ahead log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Delivery {
    /// A verified and screened batch.
    Batch(Batch),
    /// A batch that did not verify. No content.
    Refused(Refused),
    /// A message of the gateway itself or of a proxy, for export: a flat JSON object.
    Message(HostJob, Vec<u8>),
    /// Telemetry of the host, screened: an OTLP request and when it came, Unix nanoseconds.
    Telemetry(Signal, Vec<u8>, u64),
}

/// A verified and screened batch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Batch {
    /// Encoded as it goes into the archive.
    pub bytes: Bytes,
    /// The checkpoint of its end.
    pub note: String,
    /// Payloads that the outer layer rewrote for export, by sequence number.
    pub copies: Vec<(u64, Bytes)>,
}

/// A batch that did not verify.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refused {
    /// The instance that the connection belongs to.
    pub instance: String,
    /// The first sequence number that it claims.
    pub first: Option<u64>,
    /// The key of the epoch that it was checked against.
    pub thumbprint: String,
    /// Why, from a closed set.
    pub reason: String,
    /// SHA-256 and length of the refused bytes, so that they can be recognised later.
    pub digest: [u8; 32],
    /// Their length.
    pub length: u64,
    /// When, Unix nanoseconds.
    pub received_ns: u64,
}

const BATCH: u64 = 1;
const REFUSED: u64 = 2;
const MESSAGE: u64 = 3;
const PROXY_MESSAGE: u64 = 4;
const TELEMETRY: u64 = 5;
/// The signals by their number.
const SIGNALS: [Signal; 3] = [Signal::Logs, Signal::Metrics, Signal::Traces];

impl Delivery {
    /// The bytes for the log.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        match self {
            Self::Batch(batch) => {
                out.array(4).uint(BATCH).bytes(&batch.bytes).text(&batch.note);
                out.array(batch.copies.len() as u64);
                for (seq, payload) in &batch.copies {
                    out.array(2).uint(*seq).bytes(payload);
                }
            }
            Self::Refused(refused) => {
                out.array(8).uint(REFUSED).text(&refused.instance);
                match refused.first {
                    Some(first) => out.uint(first),
                    None => out.null(),
                };
                out.text(&refused.thumbprint).text(&refused.reason).bytes(&refused.digest);
                out.uint(refused.length).uint(refused.received_ns);
            }
            Self::Message(job, json) => {
                let code = match job {
                    HostJob::Gateway => MESSAGE,
                    HostJob::Proxy => PROXY_MESSAGE,
                };
                out.array(2).uint(code).bytes(json);
            }
            Self::Telemetry(signal, request, received_ns) => {
                let code = match signal {
                    Signal::Logs => 0,
                    Signal::Metrics => 1,
                    Signal::Traces => 2,
                };
                out.array(4).uint(TELEMETRY).uint(code).bytes(request).uint(*received_ns);
            }
        }
        out.finish()
    }

    /// Reads what `encode` writes; a batch stays where it is.
    ///
    /// # Errors
    /// When the bytes are nothing that it writes.
    pub fn decode(bytes: &Bytes) -> Result<Self, CborError> {
        let mut reader = Reader::new(bytes);
        let fields = reader.array()?;
        let delivery = match (reader.uint()?, fields) {
            (BATCH, 4) => Self::Batch(Batch {
                bytes: bytes.slice_ref(reader.bytes()?),
                note: reader.text()?.to_owned(),
                copies: copies(bytes, &mut reader)?,
            }),
            (REFUSED, 8) => Self::Refused(Refused {
                instance: reader.text()?.to_owned(),
                first: if reader.null() { None } else { Some(reader.uint()?) },
                thumbprint: reader.text()?.to_owned(),
                reason: reader.text()?.to_owned(),
                digest: reader.array_of()?,
                length: reader.uint()?,
                received_ns: reader.uint()?,
            }),
            (MESSAGE, 2) => Self::Message(HostJob::Gateway, reader.bytes()?.to_vec()),
            (PROXY_MESSAGE, 2) => Self::Message(HostJob::Proxy, reader.bytes()?.to_vec()),
            (TELEMETRY, 4) => {
                let code = usize::try_from(reader.uint()?).map_err(|_| CborError::Value)?;
                let signal = SIGNALS.get(code).copied().ok_or(CborError::Value)?;
                Self::Telemetry(signal, reader.bytes()?.to_vec(), reader.uint()?)
            }
            _ => return Err(CborError::Value),
        };
        reader.end()?;
        Ok(delivery)
    }
}

fn copies(bytes: &Bytes, reader: &mut Reader<'_>) -> Result<Vec<(u64, Bytes)>, CborError> {
    let count = reader.array()?;
    let mut copies = Vec::new();
    for _ in 0..count {
        if reader.array()? != 2 {
            return Err(CborError::Value);
        }
        copies.push((reader.uint()?, bytes.slice_ref(reader.bytes()?)));
    }
    Ok(copies)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let batch = Delivery::Batch(Batch {
            bytes: vec![1; 300].into(),
            note: "note\n".into(),
            copies: vec![(7, vec![2; 5].into())],
        });
        let refused = Refused {
            instance: "i".into(),
            first: None,
            thumbprint: "sha256:00".into(),
            reason: "signature".into(),
            digest: [3; 32],
            length: 10,
            received_ns: 11,
        };
        let other = Delivery::Refused(Refused { first: Some(5), ..refused.clone() });
        let message = |job| Delivery::Message(job, b"{}".to_vec());
        let [own, proxy] = [HostJob::Gateway, HostJob::Proxy].map(message);
        let telemetry = Delivery::Telemetry(Signal::Traces, vec![1; 3], 12);
        for delivery in [batch, Delivery::Refused(refused), other, own, proxy, telemetry] {
            let mut bytes = delivery.encode();
            assert_eq!(Delivery::decode(&bytes.clone().into()), Ok(delivery));
            bytes.push(0);
            assert_eq!(Delivery::decode(&bytes.into()), Err(CborError::TrailingBytes));
        }
    }
}
