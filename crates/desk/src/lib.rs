//! The desk: signals become incidents, every decision has a reason, every act a trace.
//!
//! The core is pure and synchronous: time, identities and what the world answered are arguments,
//! and what is to be done in the world is a result. Around it, [`engine`] owns the state and the
//! clock, [`store`] keeps the log, [`http`] takes signals and people in, and [`outbox`] tells.
#![forbid(unsafe_code)]

pub mod act;
pub mod approval;
pub mod bundle;
pub mod catalogue;
pub mod collect;
pub mod config;
pub mod decide;
pub mod decision;
pub mod diagnosis;
pub mod digest;
pub mod drill;
pub mod engine;
pub mod event;
pub mod exchange;
#[doc(hidden)]
pub mod fuzzing;
pub mod http;
pub mod incident;
pub mod intake;
pub mod log;
pub mod metrics;
pub mod moment;
pub mod number;
pub mod outbox;
pub mod own;
pub mod person;
pub mod policy;
pub mod probe;
pub mod program;
pub mod proposal;
pub mod readiness;
pub mod refusal;
pub mod report;
pub mod rule;
pub mod runbook;
pub mod runner;
pub mod scrub;
pub mod service;
pub mod signal;
pub mod simulation;
pub mod state;
pub mod store;
pub mod triage;
pub mod watchers;
