//! Payloads that can be erased: the folder of data keys that a gateway encrypts under, and whose
//! key a record falls under.
//!
//! The folder is locked by whoever opens it, so that no key is destroyed below a running gateway.

pub mod tenant;

use std::sync::Arc;

use aws_lc_rs::rand;
use lucarne_archive::data_keys::DataKeys;
use lucarne_archive::disk::RealDisk;
use lucarne_archive::encryption::Cipher;

use self::tenant::ByAttribute;
use crate::config::{ConfigError, Erasure};

/// Opens the folder that the configuration names.
///
/// # Errors
/// One line that leads to the key of the configuration.
pub fn open_keys(erasure: &Erasure) -> Result<DataKeys, ConfigError> {
    let opened = DataKeys::open(Arc::new(RealDisk), &erasure.keys.value, draw);
    opened.map_err(|error| {
        let cause = std::error::Error::source(&error);
        let cause = cause.map_or_else(String::new, |cause| format!(": {cause}"));
        erasure.keys.fault(&format_args!("{error}{cause}"))
    })
}

/// What encrypts under the keys of that folder.
pub fn cipher(erasure: Erasure, keys: Arc<DataKeys>) -> Cipher {
    let cipher = Cipher::new(keys, erasure.signer);
    match erasure.tenant {
        Some(attribute) => cipher.by_tenant(Box::new(ByAttribute::new(attribute))),
        None => cipher,
    }
}

fn draw() -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).ok()?;
    Some(bytes)
}
