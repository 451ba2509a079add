//! The host side: verify, outer layer, archive, export.
#![forbid(unsafe_code)]

pub mod archiver;
pub mod baseline;
pub mod blobs;
pub mod causes;
mod cells;
pub mod clock;
pub mod collector;
pub mod config;
pub mod counters;
pub mod delivery;
pub mod durable_file;
pub mod epochs;
pub mod erasure;
pub mod export;
#[doc(hidden)]
pub mod fuzzing;
pub mod heartbeats;
pub mod host_telemetry;
pub mod http;
pub mod instances;
pub mod journal;
pub mod json_batches;
pub mod metrics;
pub mod monitor;
mod new_heads;
pub mod outer_layer;
pub mod policy;
pub mod proxy;
pub mod proxy_log;
pub mod register;
pub mod run_of_batches;
pub mod service;
pub mod source;
pub mod stamping;
pub mod uplink;
pub mod view_server;
pub mod wal;
pub mod websocket;
pub mod witness;
pub mod witnessing;
