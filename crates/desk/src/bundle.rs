//! Evidence bundles: a BagIt bag (RFC 8493) that says what was collected, what could not be and
//! why, who held it, and that verifies offline with one public key.
//!
//! A bag is a draft until it is sealed, and is never changed afterwards: late evidence makes
//! another bag. The statement binds the tag manifest, which binds every file, and the head of the
//! custody chain, so that nothing of either can be changed, taken away or cut off.

pub mod age;
pub mod collect;
pub mod custody;
pub mod draft;
pub mod dsse;
pub mod error;
pub mod export;
mod folder;
pub mod item;
pub mod manifest;
pub mod path;
pub mod seal;
pub mod statement;
#[cfg(test)]
mod tests;
pub mod verify;

/// The declaration of a bag.
pub const BAGIT: &str = "bagit.txt";
/// What the bag is about, for whoever receives it.
pub const BAG_INFO: &str = "bag-info.txt";
/// SHA-256 of every payload file.
pub const MANIFEST: &str = "manifest-sha256.txt";
/// SHA-256 of every tag file but the ones that come after it.
pub const TAG_MANIFEST: &str = "tagmanifest-sha256.txt";
/// Who had what in hands.
pub const CUSTODY: &str = "custody.jsonl";
/// Every item that was planned and what became of it.
pub const LEDGER: &str = "ledger.json";
/// What signs for all of it.
pub const STATEMENT: &str = "statement.dsse.json";
/// Statements that later ones follow on.
pub const STATEMENTS: &str = "statements";
/// The payload.
pub const DATA: &str = "data";

/// One item: what fits in memory twice, clear and encrypted.
pub const ITEM_BYTES_MAX: usize = 64 << 20;
/// Items of one bag: what a person can still go through.
pub const ITEMS_MAX: usize = 10_000;
/// One tag file: the longest has a line of at most 1 KiB for every item.
pub const TAG_BYTES_MAX: u64 = 32 << 20;
