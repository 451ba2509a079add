//! The host side: verify, outer layer, archive, export.
#![forbid(unsafe_code)]

pub mod proxy;
