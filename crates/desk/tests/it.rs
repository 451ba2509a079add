//! The desk through its public face: the scenarios of the design on a virtual clock.

#[path = "it/approvals.rs"]
mod approvals;
#[path = "it/clock.rs"]
mod clock;
#[path = "it/error_rate.rs"]
mod error_rate;
#[path = "it/guard_trips.rs"]
mod guard_trips;
#[path = "it/heartbeats.rs"]
mod heartbeats;
#[path = "it/integrity.rs"]
mod integrity;
#[path = "it/laws.rs"]
mod laws;
#[path = "it/playbook.rs"]
mod playbook;
