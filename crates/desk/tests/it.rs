//! The desk through its public face: the scenarios of the design on a virtual clock, and as a
//! process under stress.

#[path = "it/alertmanager.rs"]
mod alertmanager;
#[path = "it/approvals.rs"]
mod approvals;
#[path = "it/campaign.rs"]
mod campaign;
#[path = "it/caracal.rs"]
mod caracal;
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
#[path = "it/kill.rs"]
mod kill;
#[path = "it/laws.rs"]
mod laws;
#[path = "it/monitoring.rs"]
mod monitoring;
#[path = "it/outbox.rs"]
mod outbox;
#[path = "it/playbook.rs"]
mod playbook;
#[path = "it/process.rs"]
mod process;
#[path = "it/provider.rs"]
mod provider;
#[path = "it/races.rs"]
mod races;
#[path = "it/replay.rs"]
mod replay;
#[path = "it/runbooks.rs"]
mod runbooks;
#[path = "it/runs.rs"]
mod runs;
#[path = "it/schema.rs"]
mod schema;
#[path = "it/served.rs"]
mod served;
#[path = "it/standstill.rs"]
mod standstill;
#[path = "it/steps.rs"]
mod steps;
#[path = "it/storm.rs"]
mod storm;
#[path = "it/stress.rs"]
mod stress;
#[path = "it/world.rs"]
mod world;
