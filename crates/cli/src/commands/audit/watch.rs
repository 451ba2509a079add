//! `lucarne audit watch`: looks at a live archive again and again, and says what it finds once.
//!
//! It reads and never writes in the archive, so it runs beside a gateway or on a copy that is kept
//! up to date. A round verifies what is new; everything is verified at the start and once a day.
//! It refuses copies of a part, where it cannot be told what is missing.

mod courier;
mod eye;
mod feed;
#[doc(hidden)]
pub mod fuzzing;
mod measures;
mod memory;
mod names;
mod news;
mod pages;
mod period;
mod signals;
mod state;
#[cfg(test)]
mod tests;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lucarne_gateway::clock::{Clock, SystemClock};
use tokio::sync::watch::{self, Receiver};
use tokio::task::JoinSet;

use self::courier::{Courier, Webhook};
use self::eye::{Eye, Looked};
use self::feed::Feed;
use self::measures::Measures;
use self::pages::Server;
use self::period::Period;
use self::signals::{Raised, Signals};
use super::{Place, part};
use crate::failure::{Exit, Failure};
use crate::shutdown::{self, stopped};

/// Watch an archive: verify what is new in every round, and signal each finding once
///
/// Reads DIR beside a running gateway. At the start, every --full-every, after a change of the
/// policy and when a new epoch begins, everything is verified; in between what came since, and
/// every ledger of which a file was added or taken away before. A file that is changed under its
/// old name is found by the next full verification.
///
/// An epoch without an end is open, and no finding, for as long as something new of it came in the
/// last two minutes. A ledger of it whose newest statement is more than a minute old is STALE.
///
/// With --from, what is new in a bucket is copied into DIR before each round, as `archive pull`
/// does it. What an administrator of the store removes without a trace stays in the copy.
///
/// Prints the line "ready", then a line for each new finding. With --webhook each one is posted as
/// JSON under an HMAC, again until it is taken; --state remembers over restarts what was signalled
/// and up to where each ledger was verified.
///
/// Exit codes, of the last round: 0 verified; 1 evidence of tampering; 2 incomplete; 4 could not
/// read; 5 verified under an insecure root only. 3 is usage or policy. An open epoch counts as
/// verified up to its last record.
///
/// Example: lucarne audit watch --records-dir ./archive --policy ./audit-policy.yaml
/// --http 127.0.0.1:7390 --state ./watch.json --webhook https://alerts.example/lucarne
/// --webhook-key ./webhook.key
///
/// Example: lucarne audit watch --records-dir ./archive --policy ./audit-policy.yaml
/// --state ./watch.json --once
///
/// Example: lucarne audit watch --from ./bucket.yaml --records-dir ./copy --policy
/// ./audit-policy.yaml --state ./watch.json
#[allow(rustdoc::bare_urls, reason = "the help text is a command line")]
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    /// Copy what is new in this bucket into the archive's directory before each round
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Pause between two rounds, and never shorter than the last round took
    #[arg(long, value_name = "TIME", default_value = "10s")]
    every: Period,
    /// Verify everything again after this time
    #[arg(long, value_name = "TIME", default_value = "24h")]
    full_every: Period,
    /// Serve /metrics and /health here
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
    /// Post each new finding to this address: http://host[:port][/path] or https
    #[arg(long, value_name = "URL", requires_all = ["webhook_key", "state"])]
    webhook: Option<String>,
    /// The key of the HMAC-SHA256 over each signal: 16 to 1024 bytes, a line end after them is left
    /// out
    #[arg(long, value_name = "FILE", requires = "webhook")]
    webhook_key: Option<PathBuf>,
    /// Certificates (PEM) to trust for https [default: the system's]
    #[arg(long, value_name = "FILE", requires = "webhook")]
    webhook_ca: Option<PathBuf>,
    /// Remember here what was verified and signalled
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Look once and end, for cron
    #[arg(long, conflicts_with = "http")]
    once: bool,
}

/// What is waiting at the end is tried for this long; the rest is in the state.
const DRAIN_STOPPED: Duration = Duration::from_secs(3);
/// Whoever looks once has no later.
const DRAIN_ONCE: Duration = Duration::from_secs(30);

/// Runs until a signal stops it.
///
/// # Errors
/// When the command line, a key or the state cannot be used, or the only round fails.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let records = &args.place.records_dir;
    let feed = args.from.as_deref().map(|file| Feed::open(file, records)).transpose()?;
    let source = part::open(records)?;
    if source.above.is_some() {
        return Err(Failure::usage("--records-dir is a copy of a part of an archive")
            .hint("audit verify takes such a copy"));
    }
    let webhook = match (&args.webhook, &args.webhook_key) {
        (Some(url), Some(key)) => Some(Webhook::open(url, key, args.webhook_ca.as_deref())?),
        _ => None,
    };
    shutdown::runtime()?.block_on(async {
        let stop = shutdown::on_signal()?;
        Watcher::start(args, webhook, feed).await?.run(stop).await
    })
}

/// Everything that works until the end.
struct Watcher {
    feed: Option<Feed>,
    eye: Eye,
    signals: Arc<Signals>,
    measures: Arc<Measures>,
    tasks: JoinSet<()>,
    ended: watch::Sender<bool>,
    every: Duration,
    once: bool,
    clock: Arc<dyn Clock>,
    /// Findings without room among the signals, when it was last said.
    left_out: usize,
}

impl Watcher {
    async fn start(
        args: &Args,
        webhook: Option<Webhook>,
        feed: Option<Feed>,
    ) -> Result<Self, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let state = args.state.as_deref().map(state::load).transpose()?.unwrap_or_default();
        let full_every = args.full_every.get();
        let mut eye = Eye::new(&args.place, full_every, Arc::clone(&clock), args.once);
        eye.remember(&state);
        let place = args.place.records_dir.display().to_string();
        let posts = webhook.is_some();
        let signals = Arc::new(Signals::new(state, args.state.clone(), place, posts));
        let measures = Arc::new(Measures::new(Arc::clone(&clock), Arc::clone(&signals)));
        let (ended, end) = watch::channel(false);
        let mut tasks = JoinSet::new();
        if let Some(address) = args.http {
            let server = Server::bind(address, Arc::clone(&measures)).await?;
            tasks.spawn(server.run(end.clone()));
        }
        if let Some(webhook) = webhook {
            tasks.spawn(Courier::new(webhook, Arc::clone(&signals)).run(end));
        }
        let (every, once) = (args.every.get(), args.once);
        say("ready")?;
        let left_out = 0;
        Ok(Self { feed, eye, signals, measures, tasks, ended, every, once, clock, left_out })
    }

    async fn run(mut self, mut stop: Receiver<bool>) -> Result<Exit, Failure> {
        let mut last = Exit::CouldNotTell;
        loop {
            let start = self.clock.elapsed();
            match self.round(&stop) {
                Ok(Some(exit)) => last = exit,
                Ok(None) => break,
                Err(failure) if self.once || self.is_hopeless(&failure) => return Err(failure),
                Err(failure) => {
                    last = failure.exit();
                    self.measures.failed(self.clock.elapsed().saturating_sub(start));
                    warn(&failure.text(false));
                }
            }
            if self.once || *stop.borrow() {
                break;
            }
            // Half of the time at most, however large the archive is.
            let pause = self.every.max(self.clock.elapsed().saturating_sub(start));
            tokio::select! {
                () = stopped(&mut stop) => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.end().await;
        Ok(last)
    }

    /// One round; `None` when it was stopped on the way.
    fn round(&mut self, stop: &Receiver<bool>) -> Result<Option<Exit>, Failure> {
        let (eye, signals) = (&mut self.eye, &self.signals);
        let start = self.clock.elapsed();
        if let Some(feed) = &self.feed {
            tokio::task::block_in_place(|| feed.bring())?;
        }
        let looked = tokio::task::block_in_place(|| eye.look(&|| *stop.borrow()))?;
        let Looked::Whole { full } = looked else { return Ok(None) };
        let standing = eye.standing();
        let (memory, policy) = (eye.memory(), eye.policy_sha256());
        let now_ms = self.clock.unix_ns() / 1_000_000;
        let raised =
            tokio::task::block_in_place(|| signals.raise(&standing, memory, policy, full, now_ms));
        let Raised { lines, left_out, unsaved } = raised?;
        lines.iter().try_for_each(|line| say(line))?;
        if left_out > 0 && left_out != self.left_out {
            warn(&format!(
                "warning: {left_out} findings have no room among the signals; audit verify lists \
                 them\n"
            ));
        }
        self.left_out = left_out;
        let mut exit = standing.exit();
        if self.once {
            say(&standing.sentence())?;
        }
        let took = self.clock.elapsed().saturating_sub(start);
        let judged = unsaved.as_ref().map_or(exit, Failure::exit);
        self.measures.looked(&standing, judged, full, took);
        if let Some(failure) = unsaved {
            warn(&failure.text(false));
            // Evidence outweighs a file that could not be written.
            exit = if exit == Exit::No { exit } else { failure.exit() };
        }
        Ok(Some(exit))
    }

    // A command line or policy that was wrong from the start will not mend itself.
    fn is_hopeless(&self, failure: &Failure) -> bool {
        failure.exit() == Exit::Usage && !self.eye.has_looked()
    }

    async fn end(mut self) {
        self.ended.send_replace(true);
        let drain = if self.once { DRAIN_ONCE } else { DRAIN_STOPPED };
        let all = async { while self.tasks.join_next().await.is_some() {} };
        // Whoever does not end in time is ended; what was not sent is in the state.
        drop(tokio::time::timeout(drain, all).await);
        let waiting = self.signals.waiting();
        if waiting > 0 {
            warn(&format!("warning: {waiting} signals still wait to be sent\n"));
        }
    }
}

fn say(line: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()?;
    Ok(())
}

fn warn(text: &str) {
    // Nobody is left to tell when standard error itself is gone.
    std::io::stderr().write_all(text.as_bytes()).ok();
}
