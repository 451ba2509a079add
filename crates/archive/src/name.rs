//! Names of objects: where in the archive something lies, and what it says it is.
//!
//! One spelling each: a name is parsed into its parts and compared with their spelling, so leading
//! zeros, upper case, `..`, doubled or trailing slashes are refused without a rule of their own.

use std::fmt;
use std::str::FromStr;

use lucarne_ledger::hash::Hash;
use lucarne_ledger::identity::{EpochId, Instance, LedgerId, LedgerKind};

mod date;
mod erasure;
mod json;
mod register;

pub use date::{Date, NotADate};
pub use erasure::ErasureName;
pub use json::JsonName;
pub use register::RegisterName;

/// The name of an object, relative to the root of the archive.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Name {
    /// Sealed batches.
    Seal(SealName),
    /// What proves who an epoch is.
    Epoch(EpochName),
    /// A signed head.
    Checkpoint(CheckpointName),
    /// A third party's word that a signed head existed (RFC 3161): the head's name and `.tsr`.
    Stamp(CheckpointName),
    /// An entry or a head of the register.
    Register(RegisterName),
    /// A signed log batch in JSON.
    Json(JsonName),
    /// The order to destroy a data key.
    Erasure(ErasureName),
}

/// `<yyyy>/<mm>/<dd>/<instance>/<epoch>/<ledger>/<first>-<last>-<root>.r<revision>.seal`
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct SealName {
    /// UTC date of the first statement in the file.
    pub date: Date,
    /// Whose records.
    pub ledger: LedgerId,
    /// Sequence number of the first record.
    pub first: u64,
    /// Sequence number of the last record, never before the first.
    pub last: u64,
    /// Root after the last record: a fork shows as two names.
    pub root: Hash,
    /// 0, then one more for every later form of the same range.
    pub revision: u32,
}

/// `epochs/<instance>/<epoch>/<file>`
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct EpochName {
    /// The workload.
    pub instance: Instance,
    /// Its boot.
    pub epoch: EpochId,
    /// Which of its files.
    pub file: EpochFile,
}

/// The files of an epoch.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum EpochFile {
    /// What the hardware signed.
    Evidence,
    /// Chains, TCB information and revocation lists as of then.
    Collateral,
    /// The keys and digests that the evidence covers.
    Binding,
    /// The first checkpoint.
    Open,
}

/// `checkpoints/<instance>/<epoch>/<ledger>/<size>-<root>.note`, or `.cosigned.note` beside it.
///
/// An object never changes, so what witnesses add to a checkpoint is a second object.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct CheckpointName {
    /// Whose head.
    pub ledger: LedgerId,
    /// Its size.
    pub size: u64,
    /// Its root.
    pub root: Hash,
    /// Whether the note also has the lines of a quorum of witnesses.
    pub cosigned: bool,
}

impl EpochFile {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Evidence, Self::Collateral, Self::Binding, Self::Open];

    /// The file's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Evidence => "evidence.cbor",
            Self::Collateral => "collateral.cbor",
            Self::Binding => "binding.cbor",
            Self::Open => "open.note",
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seal(name) => name.fmt(f),
            Self::Epoch(name) => name.fmt(f),
            Self::Checkpoint(name) => name.fmt(f),
            Self::Stamp(name) => write!(f, "{name}{STAMP}"),
            Self::Register(name) => name.fmt(f),
            Self::Json(name) => name.fmt(f),
            Self::Erasure(name) => name.fmt(f),
        }
    }
}

impl fmt::Display for SealName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { date, ledger, first, last, root, revision } = self;
        write!(f, "{date}/{ledger}/{first:020}-{last:020}-{root}.r{revision}.seal")
    }
}

impl fmt::Display for EpochName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "epochs/{}/{}/{}", self.instance, self.epoch, self.file.as_str())
    }
}

impl fmt::Display for CheckpointName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ending = if self.cosigned { COSIGNED } else { "" };
        write!(f, "checkpoints/{}/{:020}-{}{ending}.note", self.ledger, self.size, self.root)
    }
}

impl From<SealName> for Name {
    fn from(name: SealName) -> Self {
        Self::Seal(name)
    }
}

impl From<EpochName> for Name {
    fn from(name: EpochName) -> Self {
        Self::Epoch(name)
    }
}

impl From<RegisterName> for Name {
    fn from(name: RegisterName) -> Self {
        Self::Register(name)
    }
}

impl From<JsonName> for Name {
    fn from(name: JsonName) -> Self {
        Self::Json(name)
    }
}

impl From<CheckpointName> for Name {
    fn from(name: CheckpointName) -> Self {
        Self::Checkpoint(name)
    }
}

/// A text that names nothing in an archive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotAName;

impl fmt::Display for NotAName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not the name of an archive object")
    }
}

impl std::error::Error for NotAName {}

impl FromStr for Name {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        if text.len() > NAME_BYTES_MAX {
            return Err(NotAName);
        }
        let name = parse(text).ok_or(NotAName)?;
        // Comparing with our own spelling refuses every other one at once.
        if name.to_string() == text { Ok(name) } else { Err(NotAName) }
    }
}

fn parse(text: &str) -> Option<Name> {
    let parts: Vec<&str> = text.split('/').take(PARTS_MAX + 1).collect();
    match *parts {
        ["epochs", instance, epoch, file] => Some(Name::Epoch(EpochName {
            instance: instance.parse().ok()?,
            epoch: epoch.parse().ok()?,
            file: EpochFile::ALL.into_iter().find(|known| known.as_str() == file)?,
        })),
        ["json", ref rest @ ..] => Some(Name::Json(JsonName::parse(rest)?)),
        ["erasures", ref rest @ ..] => Some(Name::Erasure(ErasureName::parse(rest)?)),
        ["register", file] => Some(Name::Register(RegisterName::parse(file)?)),
        ["checkpoints", instance, epoch, ledger, file] => {
            let (file, kind): (_, fn(_) -> _) = match file.strip_suffix(STAMP) {
                Some(file) => (file, Name::Stamp),
                None => (file, Name::Checkpoint),
            };
            let (size, root, cosigned) = head(file)?;
            let ledger = ledger_id(instance, epoch, ledger)?;
            Some(kind(CheckpointName { ledger, size, root, cosigned }))
        }
        [year, month, day, instance, epoch, ledger, file] => {
            let date = Date::new(number(year)?, number(month)?, number(day)?)?;
            let (range, revision) = file.strip_suffix(".seal")?.split_once(".r")?;
            let (first, rest) = range.split_once('-')?;
            let (last, root) = rest.split_once('-')?;
            let (first, last) = (number(first)?, number(last)?);
            let name = SealName {
                date,
                ledger: ledger_id(instance, epoch, ledger)?,
                first,
                last,
                root: root.parse().ok()?,
                revision: number(revision)?,
            };
            (first <= last).then_some(Name::Seal(name))
        }
        _ => None,
    }
}

/// Size and root of a signed head, and whether witnesses signed it too.
fn head(file: &str) -> Option<(u64, Hash, bool)> {
    let stem = file.strip_suffix(".note")?;
    let (stem, cosigned) = match stem.strip_suffix(COSIGNED) {
        Some(stem) => (stem, true),
        None => (stem, false),
    };
    let (size, root) = stem.split_once('-')?;
    Some((number(size)?, root.parse().ok()?, cosigned))
}

fn ledger_id(instance: &str, epoch: &str, kind: &str) -> Option<LedgerId> {
    let kind: LedgerKind = kind.parse().ok()?;
    Some(LedgerId { instance: instance.parse().ok()?, epoch: epoch.parse().ok()?, kind })
}

/// Digits only: the standard parser also takes a plus sign.
fn number<N: FromStr>(text: &str) -> Option<N> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

const COSIGNED: &str = ".cosigned";
const STAMP: &str = ".tsr";
const PARTS_MAX: usize = 7; // of a seal, or a batch in JSON
const NAME_BYTES_MAX: usize = 320; // the longest seal has 306

#[cfg(test)]
mod tests;
