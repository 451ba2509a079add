//! The payload of a Nitro document: what the evidence device says.
//!
//! Known fields come once and within AWS's limits, unknown ones are passed over since they are
//! signed too. Absent options are null on genuine documents, though AWS's text says that no field
//! is.

use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use alloc::vec::Vec;

use lucarne_ledger::cbor::Reader;

use super::input::Input;
use crate::register::{REGISTER_COUNT_MAX, Register};
use crate::rejected::{Field, Part, Rejected};
use crate::time::Time;

/// A document. Parts point into the bytes received.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    pub(crate) module_id: &'a str,
    pub(crate) time: Time,
    pub(crate) pcrs: BTreeMap<u8, Register>,
    /// Certificate of the key that signed, DER.
    pub(crate) certificate: &'a [u8],
    /// Certificates from the root to the issuer of `certificate`, DER; never empty.
    pub(crate) cabundle: Vec<&'a [u8]>,
    pub(crate) public_key: Option<&'a [u8]>,
    pub(crate) user_data: Option<&'a [u8]>,
    pub(crate) nonce: Option<&'a [u8]>,
}

impl<'a> Document<'a> {
    /// Reads a document.
    pub(crate) fn parse(payload: &'a [u8]) -> Result<Self, Rejected> {
        let mut input = Input::new(Part::Payload, payload);
        let mut fields = Fields::default();
        let mut remaining = input.map()?;
        while input.more(&mut remaining) {
            match input.read(Reader::text)? {
                NITRO_TPM => return Err(Rejected::NitroTpm),
                name => match Field::named(name) {
                    Some(field) => fields.read(field, &mut input)?,
                    None => input.skip(1)?,
                },
            }
        }
        input.end()?;
        fields.complete()
    }
}

/// Fields as far as they were met; of an option, that it was met is what the outer `Option` says.
#[derive(Default)]
struct Fields<'a> {
    module_id: Option<&'a str>,
    digest: Option<()>,
    time: Option<Time>,
    pcrs: Option<BTreeMap<u8, Register>>,
    certificate: Option<&'a [u8]>,
    cabundle: Option<Vec<&'a [u8]>>,
    public_key: Option<Optional<'a>>,
    user_data: Option<Optional<'a>>,
    nonce: Option<Optional<'a>>,
}

/// The value of a field that may be null.
struct Optional<'a>(Option<&'a [u8]>);

impl<'a> Fields<'a> {
    fn read(&mut self, field: Field, input: &mut Input<'a>) -> Result<(), Rejected> {
        let first = match field {
            Field::ModuleId => self.module_id.replace(module_id(input)?).is_none(),
            Field::Digest => self.digest.replace(digest(input)?).is_none(),
            Field::Timestamp => self.time.replace(timestamp(input)?).is_none(),
            Field::Pcrs => self.pcrs.replace(pcrs(input)?).is_none(),
            Field::Certificate => self.certificate.replace(bytes(field, input)?).is_none(),
            Field::Cabundle => self.cabundle.replace(cabundle(input)?).is_none(),
            Field::PublicKey => self.public_key.replace(optional(field, input)?).is_none(),
            Field::UserData => self.user_data.replace(optional(field, input)?).is_none(),
            Field::Nonce => self.nonce.replace(optional(field, input)?).is_none(),
        };
        if first { Ok(()) } else { Err(Rejected::FieldDuplicate { field }) }
    }

    fn complete(self) -> Result<Document<'a>, Rejected> {
        let missing = |field| move || Rejected::FieldMissing { field };
        self.digest.ok_or_else(missing(Field::Digest))?;
        Ok(Document {
            module_id: self.module_id.ok_or_else(missing(Field::ModuleId))?,
            time: self.time.ok_or_else(missing(Field::Timestamp))?,
            pcrs: self.pcrs.ok_or_else(missing(Field::Pcrs))?,
            certificate: self.certificate.ok_or_else(missing(Field::Certificate))?,
            cabundle: self.cabundle.ok_or_else(missing(Field::Cabundle))?,
            public_key: self.public_key.and_then(|met| met.0),
            user_data: self.user_data.and_then(|met| met.0),
            nonce: self.nonce.and_then(|met| met.0),
        })
    }
}

impl Field {
    const ALL: [Self; 9] = [
        Self::ModuleId,
        Self::Digest,
        Self::Timestamp,
        Self::Pcrs,
        Self::Certificate,
        Self::Cabundle,
        Self::PublicKey,
        Self::UserData,
        Self::Nonce,
    ];

    /// Its name in the document.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ModuleId => "module_id",
            Self::Digest => "digest",
            Self::Timestamp => "timestamp",
            Self::Pcrs => "pcrs",
            Self::Certificate => "certificate",
            Self::Cabundle => "cabundle",
            Self::PublicKey => "public_key",
            Self::UserData => "user_data",
            Self::Nonce => "nonce",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }

    /// Bytes of its value: of each entry, for the bundle. AWS, attestation process §3.1.
    const fn bytes_allowed(self) -> (usize, usize) {
        match self {
            // AWS gives no upper limit; an instance name with the enclave's has about 40.
            Self::ModuleId => (1, 256),
            Self::Certificate | Self::Cabundle | Self::PublicKey => (1, 1_024),
            Self::UserData | Self::Nonce => (0, 512),
            Self::Digest | Self::Timestamp | Self::Pcrs => (0, usize::MAX),
        }
    }
}

fn within(field: Field, got: usize, (min, max): (usize, usize)) -> Result<(), Rejected> {
    if (min..=max).contains(&got) {
        Ok(())
    } else {
        Err(Rejected::FieldLength { field, got, min, max })
    }
}

fn bytes<'a>(field: Field, input: &mut Input<'a>) -> Result<&'a [u8], Rejected> {
    let value = input.read(Reader::bytes)?;
    within(field, value.len(), field.bytes_allowed())?;
    Ok(value)
}

fn optional<'a>(field: Field, input: &mut Input<'a>) -> Result<Optional<'a>, Rejected> {
    if input.null() { Ok(Optional(None)) } else { Ok(Optional(Some(bytes(field, input)?))) }
}

fn module_id<'a>(input: &mut Input<'a>) -> Result<&'a str, Rejected> {
    let value = input.read(Reader::text)?;
    within(Field::ModuleId, value.len(), Field::ModuleId.bytes_allowed())?;
    Ok(value)
}

fn digest(input: &mut Input<'_>) -> Result<(), Rejected> {
    if input.read(Reader::text)? == "SHA384" { Ok(()) } else { Err(Rejected::Digest) }
}

fn timestamp(input: &mut Input<'_>) -> Result<Time, Rejected> {
    match input.read(Reader::uint)? {
        got @ 1..=TIMESTAMP_MS_MAX => Ok(Time::from_unix_ms(got)),
        got => Err(Rejected::Timestamp { got }),
    }
}

fn pcrs(input: &mut Input<'_>) -> Result<BTreeMap<u8, Register>, Rejected> {
    let mut found = BTreeMap::new();
    let mut remaining = input.map()?;
    while input.more(&mut remaining) {
        let got = input.read(Reader::uint)?;
        let index = match u8::try_from(got) {
            Ok(index) if index < REGISTER_COUNT_MAX => index,
            _ => return Err(Rejected::PcrIndex { got }),
        };
        let value = input.read(Reader::bytes)?;
        let value =
            value.try_into().map_err(|_| Rejected::PcrLength { index, got: value.len() })?;
        match found.entry(index) {
            Entry::Vacant(place) => place.insert(Register(value)),
            Entry::Occupied(_) => return Err(Rejected::PcrDuplicate { index }),
        };
    }
    within(Field::Pcrs, found.len(), (1, usize::from(REGISTER_COUNT_MAX)))?;
    Ok(found)
}

fn cabundle<'a>(input: &mut Input<'a>) -> Result<Vec<&'a [u8]>, Rejected> {
    let mut found = Vec::new();
    let mut remaining = input.array()?;
    while input.more(&mut remaining) {
        found.push(bytes(Field::Cabundle, input)?);
        within(Field::Cabundle, found.len(), (1, CABUNDLE_COUNT_MAX))?;
    }
    within(Field::Cabundle, found.len(), (1, CABUNDLE_COUNT_MAX))?;
    Ok(found)
}

/// What an EC2 instance with a NitroTPM has instead of `pcrs`. Its owner chooses what is measured.
const NITRO_TPM: &str = "nitrotpm_pcrs";
/// Genuine chains have four; each more is a signature to check.
const CABUNDLE_COUNT_MAX: usize = 8;
/// The last millisecond of the year 9999, where certificates end too.
const TIMESTAMP_MS_MAX: u64 = 253_402_300_799_999;
