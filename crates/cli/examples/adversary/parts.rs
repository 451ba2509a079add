//! A batch taken apart and put together again by somebody who cannot sign: fields in deterministic
//! CBOR, changed one by one.

use lucarne_ledger::cbor::{Reader, Writer};

/// The fields of a batch.
pub(crate) struct Parts {
    pub(crate) statement: Vec<u8>,
    pub(crate) frontier: Vec<u8>,
    /// 0 for a seed, 1 for salts.
    pub(crate) secret_kind: u64,
    pub(crate) secret: Vec<u8>,
    /// Stream and byte strings of each record.
    pub(crate) records: Vec<(u64, Vec<Vec<u8>>)>,
}

impl Parts {
    /// Takes a genuine batch apart.
    pub(crate) fn of(batch: &[u8]) -> Self {
        Self::read(&mut Reader::new(batch)).expect("it is genuine")
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, lucarne_ledger::cbor::CborError> {
        reader.array()?;
        reader.uint()?;
        let (statement, frontier) = (reader.bytes()?.to_vec(), reader.bytes()?.to_vec());
        reader.array()?;
        let (secret_kind, secret) = (reader.uint()?, reader.bytes()?.to_vec());
        let mut records = Vec::new();
        for _ in 0..reader.array()? {
            let fields = reader.array()?;
            let stream = reader.uint()?;
            let mut strings = Vec::new();
            for _ in 1..fields {
                strings.push(reader.bytes()?.to_vec());
            }
            records.push((stream, strings));
        }
        Ok(Self { statement, frontier, secret_kind, secret, records })
    }

    /// Puts it together.
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.array(5).uint(1).bytes(&self.statement).bytes(&self.frontier);
        out.array(2).uint(self.secret_kind).bytes(&self.secret);
        out.array(self.records.len() as u64);
        for (stream, strings) in &self.records {
            out.array(strings.len() as u64 + 1).uint(*stream);
            for string in strings {
                out.bytes(string);
            }
        }
        out.finish()
    }
}
