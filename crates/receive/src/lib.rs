//! The OTLP receivers: OTLP/gRPC and OTLP/HTTP on two sockets, one budget for both.
//!
//! Each request is bounded before it is read, decompressed under a limit, and handed to the
//! [`Intake`] as one buffer of protobuf; what the intake answers goes back in the words of the
//! protocol. Whatever exceeds a limit gets an answer or a closed connection and a counter, never an
//! unbounded buffer. The receivers decode no message, keep no telemetry and log nothing.

#![forbid(unsafe_code)]

mod accept;
mod answer;
mod body;
mod connection;
mod counters;
mod durability;
mod encoding;
#[doc(hidden)]
pub mod fuzzing;
mod grpc;
mod http;
mod intake;
mod limits;
mod refused;
mod status;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use lucarne_platform::{Address, BindError, Listener};
use tokio::sync::watch;

pub use counters::{Counters, Protocol, Reason, Snapshot};
pub use durability::HEADER as DURABILITY_HEADER;
pub use intake::{Accepted, Durability, Intake, Raw, Refusal};
pub use limits::Limits;

/// Where the receivers listen and what they bear.
#[derive(Clone, Debug)]
pub struct Config {
    /// Of OTLP/gRPC, `tcp:127.0.0.1:4317` by convention; `None`: not served.
    pub grpc: Option<Address>,
    /// Of OTLP/HTTP, `tcp:127.0.0.1:4318` by convention; HTTP/1.1 and HTTP/2 without TLS. `None`:
    /// not served.
    pub http: Option<Address>,
    /// Bounds on bytes, counts and times.
    pub limits: Limits,
}

/// The receivers, bound and not yet serving.
#[derive(Debug)]
pub struct Receiver {
    grpc: Option<Listener>,
    http: Option<Listener>,
    limits: Limits,
    counters: Arc<Counters>,
}

impl Receiver {
    /// Binds the sockets. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When an address cannot be bound; the error names it.
    pub fn bind(config: &Config) -> Result<Self, BindError> {
        Ok(Self {
            grpc: config.grpc.as_ref().map(Listener::bind).transpose()?,
            http: config.http.as_ref().map(Listener::bind).transpose()?,
            limits: config.limits,
            counters: Arc::new(Counters::new()),
        })
    }

    /// The address of OTLP/gRPC, with the port that the kernel chose.
    pub fn grpc_address(&self) -> Option<&Address> {
        self.grpc.as_ref().map(Listener::address)
    }

    /// The address of OTLP/HTTP, with the port that the kernel chose.
    pub fn http_address(&self) -> Option<&Address> {
        self.http.as_ref().map(Listener::address)
    }

    /// What was accepted and refused; readable while the receivers run and afterwards.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Serves until `stop` turns true or its sender is gone. Then it accepts no connection, lets
    /// the requests in flight finish within the grace period, and returns when no connection is
    /// left.
    ///
    /// # Panics
    /// When a request handler panicked: a broken invariant must not go unnoticed.
    pub async fn run<I: Intake>(self, intake: Arc<I>, stop: watch::Receiver<bool>) {
        let gate = Arc::new(body::Gate::new(intake, self.limits, self.counters));
        accept::run(self.grpc, self.http, gate, stop).await;
    }
}
