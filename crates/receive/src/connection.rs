//! One connection: HTTP/1.1 or HTTP/2 over a stream, watched for silence.
//!
//! hyper bounds what it parses; this file bounds how long a connection may hold its place. One
//! timer does for both versions: a first request head in time, then no long pause between requests.
//! Within a request the request's own limits hold.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::Builder;
use lucarne_platform::Stream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::accept::stopped;
use super::body::Gate;
use super::counters::{Counters, Protocol, Reason};
use super::limits::{
    CONNECTION_WINDOW_BYTES, FRAME_BYTES_MAX, HEAD_BYTES_MAX, HEADERS_MAX, Limits, READ_BYTES_MAX,
    RESETS_LOCAL_MAX, RESETS_PENDING_MAX, STREAM_WINDOW_BYTES, STREAMS_MAX,
};
use super::{grpc, http};
use crate::intake::Intake;

/// Serves one connection until either side ends it.
pub(super) async fn serve<I: Intake>(
    stream: Stream,
    protocol: Protocol,
    gate: Arc<Gate<I>>,
    mut stop: watch::Receiver<bool>,
) {
    let activity = Arc::new(Activity::new());
    let service = service_fn(|request| {
        let busy = Busy::begin(&activity, &gate.counters);
        let gate = Arc::clone(&gate);
        async move {
            let answer = match protocol {
                Protocol::Grpc => grpc::answer(&gate, request).await,
                Protocol::Http => http::answer(&gate, request).await,
            };
            busy.end();
            Ok::<_, Infallible>(answer)
        }
    });
    let builder = builder(protocol);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut deadline = Instant::now() + gate.limits.head_timeout;
    let mut closing = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if ended.is_err_and(|error| is_violation(error.as_ref())) {
                    gate.counters.refuse(Reason::Violation);
                }
                return;
            }
            () = stopped(&mut stop), if !closing => {
                // The accept loop ends what does not end within the grace period.
                closing = true;
                connection.as_mut().graceful_shutdown();
            }
            () = sleep_until(deadline) => match activity.verdict(&gate.limits) {
                Verdict::Busy(until) => deadline = until,
                Verdict::Idle if closing => return,
                Verdict::Idle => {
                    closing = true;
                    deadline = Instant::now() + CLOSE_TIMEOUT;
                    connection.as_mut().graceful_shutdown();
                }
                Verdict::Silent => {
                    gate.counters.refuse(Reason::SlowHead);
                    return;
                }
            }
        }
    }
}

fn builder(protocol: Protocol) -> Builder<Streams> {
    let mut builder = Builder::new(Streams::default());
    builder
        .http1()
        // No date: the TEE's wall clock is the host's word, and nobody here needs it.
        .auto_date_header(false)
        // hyper's timer would also end idle connections; ours tells the two apart.
        .header_read_timeout(None)
        .max_headers(HEADERS_MAX)
        .max_buf_size(READ_BYTES_MAX);
    builder
        .http2()
        .auto_date_header(false)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .max_header_list_size(HEAD_BYTES_MAX)
        .max_concurrent_streams(STREAMS_MAX)
        .max_pending_accept_reset_streams(RESETS_PENDING_MAX)
        .max_local_error_reset_streams(RESETS_LOCAL_MAX);
    match protocol {
        Protocol::Grpc => builder.http2_only(),
        Protocol::Http => builder,
    }
}

/// Whether the client broke HTTP, rather than went away.
fn is_violation(error: &(dyn Error + 'static)) -> bool {
    let parse = error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse);
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    let mut http2 = causes.filter_map(|cause| cause.downcast_ref::<h2::Error>());
    parse || http2.next().is_some_and(|error| !error.is_io() && !error.is_remote())
}

/// Runs the streams of one HTTP/2 connection and aborts them when the connection is gone.
#[derive(Clone, Default)]
struct Streams(Arc<Mutex<JoinSet<()>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let mut streams = locked(&self.0);
        while let Some(ended) = streams.try_join_next() {
            if let Err(error) = ended
                && error.is_panic()
            {
                std::panic::resume_unwind(error.into_panic());
            }
        }
        streams.spawn(stream);
    }
}

/// What a connection is doing.
struct Activity(Mutex<Requests>);

struct Requests {
    begun: u64,
    in_flight: u32,
    /// When the last request ended.
    since: Instant,
}

/// A request in flight; over when it is dropped, and aborted if it has no answer by then.
struct Busy {
    activity: Arc<Activity>,
    counters: Arc<Counters>,
    answered: bool,
}

#[derive(Debug, Eq, PartialEq)]
enum Verdict {
    /// Look again then.
    Busy(Instant),
    /// No request for as long as is allowed.
    Idle,
    /// Never a request.
    Silent,
}

impl Activity {
    fn new() -> Self {
        Self(Mutex::new(Requests { begun: 0, in_flight: 0, since: Instant::now() }))
    }

    fn verdict(&self, limits: &Limits) -> Verdict {
        let requests = locked(&self.0);
        let now = Instant::now();
        if requests.begun == 0 {
            return Verdict::Silent;
        }
        if requests.in_flight > 0 {
            return Verdict::Busy(now + limits.idle_timeout);
        }
        let until = requests.since + limits.idle_timeout;
        if until <= now { Verdict::Idle } else { Verdict::Busy(until) }
    }
}

impl Busy {
    fn begin(activity: &Arc<Activity>, counters: &Arc<Counters>) -> Self {
        let mut requests = locked(&activity.0);
        requests.begun = requests.begun.saturating_add(1);
        requests.in_flight = requests.in_flight.saturating_add(1);
        drop(requests);
        Self { activity: Arc::clone(activity), counters: Arc::clone(counters), answered: false }
    }

    fn end(mut self) {
        self.answered = true;
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if !self.answered {
            self.counters.refuse(Reason::Aborted);
        }
        let mut requests = locked(&self.activity.0);
        requests.in_flight = requests.in_flight.saturating_sub(1);
        requests.since = Instant::now();
    }
}

/// The values behind these locks are whole between any two statements.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long an idle client has to take part in closing.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
