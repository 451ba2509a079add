//! The write-once store of sealed batches and checkpoints.
//!
//! What may be stored has a [`Name`], and content is part of it: two contents never want one name.
//! The [`Archive`] contract is conditional creation and nothing else: there is no update and no
//! removal. A [`Directory`] keeps the contract on a local file system as long as everybody uses
//! this crate; it is not write-once, since whoever may write the directory may also change it. What
//! shows that is the audit. An [`S3`] bucket keeps it by versions, locks and reading back.
#![forbid(unsafe_code)]

pub mod access;
pub mod data_keys;
pub mod directory;
pub mod disk;
pub mod encryption;
pub mod erase;
pub mod hold;
pub mod name;
pub mod pull;
pub mod s3;
pub mod segment;
pub mod store;
pub mod tenant;
pub mod withhold;

#[doc(hidden)]
pub mod fuzzing;

pub use directory::Directory;
pub use name::Name;
pub use s3::S3;
pub use store::{Archive, ArchiveError, Put};
