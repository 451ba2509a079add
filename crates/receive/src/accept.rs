//! The accept loop of both listeners, and the end of all connections.
//!
//! Every task is owned: connections by this loop, the streams of an HTTP/2 connection by the
//! connection. Nothing outlives [`run`].

use std::io;
use std::sync::Arc;
use std::time::Duration;

use lucarne_platform::{Listener, Stream};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};

use super::body::Gate;
use super::connection;
use super::counters::{Protocol, Reason};
use crate::intake::Intake;

/// Accepts and serves until `stop`, then drains.
pub(super) async fn run<I: Intake>(
    grpc: Option<Listener>,
    http: Option<Listener>,
    gate: Arc<Gate<I>>,
    mut stop: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    let told = stop.clone();
    loop {
        tokio::select! {
            () = stopped(&mut stop) => break,
            Some(ended) = connections.join_next() => check(ended),
            accepted = next(grpc.as_ref()) => {
                admit(accepted, Protocol::Grpc, &gate, &told, &mut connections).await;
            }
            accepted = next(http.as_ref()) => {
                admit(accepted, Protocol::Http, &gate, &told, &mut connections).await;
            }
        }
    }
    drop((grpc, http));
    let drained = async {
        while let Some(ended) = connections.join_next().await {
            check(ended);
        }
    };
    if timeout(gate.limits.grace, drained).await.is_err() {
        connections.shutdown().await;
    }
}

/// The next connection; never one where nothing listens.
async fn next(listener: Option<&Listener>) -> io::Result<Stream> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

/// Waits for the word to stop. A sender that is gone cannot give it any more: that too is the end.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stopping| *stopping).await);
}

async fn admit<I: Intake>(
    accepted: io::Result<Stream>,
    protocol: Protocol,
    gate: &Arc<Gate<I>>,
    stop: &watch::Receiver<bool>,
    connections: &mut JoinSet<()>,
) {
    let Ok(stream) = accepted else {
        gate.counters.refuse(Reason::Accept);
        // Out of descriptors or memory: the same error would come again at once.
        sleep(ACCEPT_PAUSE).await;
        return;
    };
    let Ok(permit) = Arc::clone(&gate.connections).try_acquire_owned() else {
        gate.counters.refuse(Reason::Connections);
        return;
    };
    let (gate, stop) = (Arc::clone(gate), stop.clone());
    connections.spawn(async move {
        let _permit = permit;
        connection::serve(stream, protocol, gate, stop).await;
    });
}

fn check(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
