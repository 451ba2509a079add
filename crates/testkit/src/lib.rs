//! Fakes with faults and strong checkers, for tests only.
//!
//! A fake here behaves like the worst real thing that its contract allows, not like the best.
#![forbid(unsafe_code)]

pub mod ceph;
pub mod disk;
pub mod postgres;

pub use ceph::Ceph;
pub use disk::{Fault, Loss, SimDisk};
pub use postgres::Postgres;
