//! Fakes with faults and strong checkers, for tests only.
//!
//! A fake here behaves like the worst real thing that its contract allows, not like the best.
#![forbid(unsafe_code)]

pub mod ceph;
pub mod corpus;
#[cfg(feature = "archive")]
pub mod disk;
#[cfg(feature = "evidence")]
pub mod evidence;
pub mod postgres;
#[cfg(feature = "evidence")]
pub mod tsm;

pub use ceph::Ceph;
pub use corpus::replay;
#[cfg(feature = "archive")]
pub use disk::{Fault, Loss, SimDisk};
#[cfg(feature = "evidence")]
pub use evidence::{SnpMachine, TdxMachine};
pub use postgres::Postgres;
#[cfg(feature = "evidence")]
pub use tsm::{Guest, TsmFolder};
