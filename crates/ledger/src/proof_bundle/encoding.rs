//! The bytes of a proof bundle: a CBOR map from 1 (version) to 12 (baseline).

use alloc::borrow::ToOwned;
use alloc::vec::Vec;

use super::{
    BUNDLE_BYTES_MAX, BundleError, BundledContent, BundledRecord, Opening, ProofBundle,
    RECORDS_MAX, STAMPS_MAX, Stamp,
};
use crate::cbor::{CborError, Reader, Writer};
use crate::hash::Hash;
use crate::proof::PATH_HASHES_MAX;
use crate::record::{PAYLOAD_BYTES_MAX, Stream};

const BUNDLE_VERSION: u64 = 2;
const PAIRS: u64 = 12;
const PRESENT: u64 = 0;
const WITHHELD: u64 = 1;

impl ProofBundle {
    /// Deterministic CBOR.
    pub fn to_cbor(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.map(PAIRS).uint(1).uint(BUNDLE_VERSION).uint(2).uint(self.seq);
        out.uint(3).bytes(&self.statement);
        out.uint(4).array(self.records.len() as u64);
        for record in &self.records {
            write_record(&mut out, record);
        }
        out.uint(5).text(&self.checkpoint).uint(6).bytes(&path_bytes(&self.path));
        out.uint(7);
        match &self.opening {
            None => out.null(),
            Some(Opening { statement, record }) => {
                out.array(2).bytes(statement);
                write_record(&mut out, record);
                &mut out
            }
        };
        out.uint(8).bytes(&self.binding).uint(9).bytes(&self.evidence).uint(10);
        match &self.collateral {
            None => out.null(),
            Some(collateral) => out.bytes(collateral),
        };
        out.uint(11).array(self.stamps.len() as u64);
        for Stamp { covered, response } in &self.stamps {
            out.array(2).uint(*covered as u64).bytes(response);
        }
        out.uint(12);
        match &self.baseline {
            None => out.null(),
            Some(entry) => out.text(entry),
        };
        out.finish()
    }

    /// Reads what `to_cbor` writes and nothing else.
    ///
    /// # Errors
    /// `TooLong` or `Cbor`.
    pub fn from_cbor(bytes: &[u8]) -> Result<Self, BundleError> {
        if bytes.len() > BUNDLE_BYTES_MAX {
            return Err(BundleError::TooLong);
        }
        let mut reader = Reader::new(bytes);
        if reader.map()? != PAIRS {
            return Err(CborError::Value.into());
        }
        reader.exactly(1)?;
        reader.exactly(BUNDLE_VERSION)?;
        reader.exactly(2)?;
        let seq = reader.uint()?;
        reader.exactly(3)?;
        let statement = reader.bytes()?.to_vec();
        reader.exactly(4)?;
        let records = read_records(&mut reader)?;
        reader.exactly(5)?;
        let checkpoint = reader.text()?.to_owned();
        reader.exactly(6)?;
        let path = read_path(&mut reader)?;
        reader.exactly(7)?;
        let opening = read_opening(&mut reader)?;
        reader.exactly(8)?;
        let binding = reader.bytes()?.to_vec();
        reader.exactly(9)?;
        let evidence = reader.bytes()?.to_vec();
        reader.exactly(10)?;
        let collateral = if reader.null() { None } else { Some(reader.bytes()?.to_vec()) };
        reader.exactly(11)?;
        let stamps = read_stamps(&mut reader)?;
        reader.exactly(12)?;
        let baseline = if reader.null() { None } else { Some(reader.text()?.to_owned()) };
        reader.end()?;
        Ok(Self {
            seq,
            statement,
            records,
            checkpoint,
            path,
            opening,
            binding,
            evidence,
            collateral,
            stamps,
            baseline,
        })
    }
}

fn path_bytes(path: &[Hash]) -> Vec<u8> {
    path.iter().flat_map(|hash| hash.0).collect()
}

fn read_path(reader: &mut Reader<'_>) -> Result<Vec<Hash>, CborError> {
    let (hashes, rest) = reader.bytes()?.as_chunks::<32>();
    if hashes.len() > PATH_HASHES_MAX || !rest.is_empty() {
        return Err(CborError::Value);
    }
    Ok(hashes.iter().map(|hash| Hash(*hash)).collect())
}

/// `[seq, stream, [0, payload, salt] or [1, commitment, authorisation], path]`.
fn write_record(out: &mut Writer, record: &BundledRecord) {
    out.array(4).uint(record.seq).uint(u64::from(record.stream.code())).array(3);
    match &record.content {
        BundledContent::Present { payload, salt } => {
            out.uint(PRESENT).bytes(payload).bytes(salt);
        }
        BundledContent::Withheld { commitment, authorisation } => {
            out.uint(WITHHELD).bytes(&commitment.0).bytes(authorisation);
        }
    }
    out.bytes(&path_bytes(&record.path));
}

fn read_records(reader: &mut Reader<'_>) -> Result<Vec<BundledRecord>, CborError> {
    let count = usize::try_from(reader.array()?).map_err(|_| CborError::Value)?;
    if count > RECORDS_MAX {
        return Err(CborError::Value);
    }
    let mut records: Vec<BundledRecord> = Vec::new();
    for _ in 0..count {
        let record = read_record(reader)?;
        if records.last().is_some_and(|before| before.seq >= record.seq) {
            return Err(CborError::Value);
        }
        records.push(record);
    }
    Ok(records)
}

fn read_record(reader: &mut Reader<'_>) -> Result<BundledRecord, CborError> {
    let fields = |found: u64, wanted| if found == wanted { Ok(()) } else { Err(CborError::Value) };
    fields(reader.array()?, 4)?;
    let seq = reader.uint()?;
    let stream = Stream::from_code(reader.uint()?).ok_or(CborError::Value)?;
    fields(reader.array()?, 3)?;
    let content = match reader.uint()? {
        PRESENT => {
            let payload = reader.bytes()?;
            if payload.len() > PAYLOAD_BYTES_MAX {
                return Err(CborError::Value);
            }
            BundledContent::Present { payload: payload.to_vec(), salt: reader.array_of()? }
        }
        WITHHELD => {
            let commitment = Hash(reader.array_of()?);
            BundledContent::Withheld { commitment, authorisation: reader.bytes()?.to_vec() }
        }
        _ => return Err(CborError::Value),
    };
    Ok(BundledRecord { seq, stream, content, path: read_path(reader)? })
}

fn read_stamps(reader: &mut Reader<'_>) -> Result<Vec<Stamp>, CborError> {
    let count = usize::try_from(reader.array()?).map_err(|_| CborError::Value)?;
    if count > STAMPS_MAX {
        return Err(CborError::Value);
    }
    let mut stamps = Vec::new();
    for _ in 0..count {
        if reader.array()? != 2 {
            return Err(CborError::Value);
        }
        let covered = usize::try_from(reader.uint()?).map_err(|_| CborError::Value)?;
        stamps.push(Stamp { covered, response: reader.bytes()?.to_vec() });
    }
    Ok(stamps)
}

fn read_opening(reader: &mut Reader<'_>) -> Result<Option<Opening>, CborError> {
    if reader.null() {
        return Ok(None);
    }
    if reader.array()? != 2 {
        return Err(CborError::Value);
    }
    let statement = reader.bytes()?.to_vec();
    Ok(Some(Opening { statement, record: read_record(reader)? }))
}
