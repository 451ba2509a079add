//! The signals of a long-running command, as channels: SIGTERM and SIGINT stop it, SIGHUP makes it
//! read again.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::failure::{Exit, Failure};

/// The runtime of a long-running command.
///
/// # Errors
/// When the machine is out of threads or descriptors.
pub fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|cause| Failure::because(Exit::Unreadable, "start the runtime", &cause))
}

/// Becomes true at the first SIGTERM or SIGINT. To be called inside the runtime.
///
/// # Errors
/// When the handlers cannot be set.
pub fn on_signal() -> Result<watch::Receiver<bool>, Failure> {
    let (mut terminate, mut interrupt) =
        (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        sender.send_replace(true);
        // Held until the process ends: a dropped sender would look like an error, not like a stop.
        sender.closed().await;
    });
    Ok(receiver)
}

/// Waits for the stop. A sender that is gone is a stop too.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    stop.wait_for(|stop| *stop).await.ok();
}

/// Counts the SIGHUPs. To be called inside the runtime.
///
/// # Errors
/// When the handler cannot be set.
pub fn on_hangup() -> Result<watch::Receiver<u64>, Failure> {
    let mut hangup = listen(SignalKind::hangup())?;
    let (sender, receiver) = watch::channel(0);
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            sender.send_modify(|count| *count += 1);
        }
    });
    Ok(receiver)
}

fn listen(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|cause| Failure::because(Exit::Unreadable, "watch for signals", &cause))
}
