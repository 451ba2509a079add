//! Payloads that can be erased: the folder of data keys that a gateway encrypts under.
//!
//! The folder is locked by whoever opens it, so that no key is destroyed below a running gateway.

use std::sync::Arc;

use aws_lc_rs::rand;
use lucarne_archive::data_keys::DataKeys;
use lucarne_archive::disk::RealDisk;

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

fn draw() -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).ok()?;
    Some(bytes)
}
