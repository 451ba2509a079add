//! The HTTP side: one table of routes, from which the router, the document that describes it and
//! the tests of both are made.
//!
//! For each request: limits first, then who asks, then what. An input is answered with 2xx after it
//! is durable, and with 503 when it cannot be.

pub mod access;
mod acts;
mod answer;
pub mod auth;
mod ingest;
mod lookup;
mod openapi;
mod plans;
mod policies;
mod replay;
mod reviews;
pub mod routes;
mod runs;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{RawPathParams, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap};
use axum::response::Response;
use axum::routing::{MethodFilter, on};
use bytes::Bytes;
use tokio::sync::Semaphore;

use self::access::{Caller, Keys};
use self::answer::Problem;
use self::auth::Provider;
use self::routes::{Access, Op, ROUTES, Route, Verb};
use crate::engine::Published;
use crate::engine::lanes::Lanes;
use crate::event::Input;
use crate::intake::Mapping;
use crate::metrics::Metrics;
use crate::person::Actor;
use crate::runbook::shelf::Shelf;
use crate::scrub::Scrubber;
use crate::store::{Store, StoreError, apart};
use crate::watchers::RuleFile;

/// Everything the handlers work with.
#[derive(Debug)]
pub struct Api {
    lanes: Arc<Lanes>,
    published: Arc<RwLock<Published>>,
    keys: Keys,
    provider: Option<Provider>,
    scrubber: Scrubber,
    mappings: BTreeMap<String, Mapping>,
    runbooks: Shelf,
    rules: Option<Arc<RuleFile>>,
    channels: Vec<String>,
    fallbacks: Vec<String>,
    metrics: Arc<Metrics>,
    // reads only, and the few writes that are no inputs
    store: Arc<Mutex<Store>>,
    room: Semaphore,
    replaying: Semaphore,
    document: Bytes,
}

/// What an [`Api`] is made of.
#[derive(Debug)]
pub struct Parts {
    /// The way to the engine.
    pub lanes: Arc<Lanes>,
    /// What the engine shows.
    pub published: Arc<RwLock<Published>>,
    /// Who may do what.
    pub keys: Keys,
    /// Who else says who somebody is.
    pub provider: Option<Provider>,
    /// What takes secrets out.
    pub scrubber: Scrubber,
    /// Generic bodies by the last part of their path.
    pub mappings: BTreeMap<String, Mapping>,
    /// The runbooks of this site.
    pub runbooks: Shelf,
    /// The rules that it asks; none without a catalogue.
    pub rules: Option<Arc<RuleFile>>,
    /// Names of the channels that notifications go to.
    pub channels: Vec<String>,
    /// Names of those that get what the others cannot send.
    pub fallbacks: Vec<String>,
    /// What is measured.
    pub metrics: Arc<Metrics>,
    /// A connection of its own.
    pub store: Store,
}

/// A request past its limits and its door.
pub(crate) struct Asked {
    route: &'static Route,
    caller: Caller,
    params: Vec<String>,
    query: String,
    headers: HeaderMap,
    body: Bytes,
}

/// The router over an [`Api`].
pub fn router(parts: Parts) -> Router {
    let document = Bytes::from(openapi::document().to_string());
    let api = Arc::new(Api {
        lanes: parts.lanes,
        published: parts.published,
        keys: parts.keys,
        provider: parts.provider,
        scrubber: parts.scrubber,
        mappings: parts.mappings,
        runbooks: parts.runbooks,
        rules: parts.rules,
        channels: parts.channels,
        fallbacks: parts.fallbacks,
        metrics: parts.metrics,
        store: Arc::new(Mutex::new(parts.store)),
        room: Semaphore::new(REQUESTS_MAX),
        replaying: Semaphore::new(1),
        document,
    });
    let mut router = Router::new();
    for route in ROUTES {
        let handler =
            move |State(api): State<Arc<Api>>, params: RawPathParams, request: Request| {
                serve(api, route, params, request)
            };
        let filter = match route.verb {
            Verb::Get => MethodFilter::GET,
            Verb::Post => MethodFilter::POST,
            Verb::Delete => MethodFilter::DELETE,
        };
        router = router.route(route.path, on(filter, handler));
    }
    router.fallback(|| async { Problem::NOT_FOUND.response() }).with_state(api)
}

async fn serve(
    api: Arc<Api>,
    route: &'static Route,
    params: RawPathParams,
    request: Request,
) -> Response {
    // Load balancers and probes must get an answer from a desk that is busy.
    let open = route.access == Access::Open;
    let permit = api.room.try_acquire();
    if permit.is_err() && !open {
        return Problem::BUSY.response();
    }
    let params = params.iter().map(|(_, value)| value.to_owned()).collect();
    match admit(&api, route, params, request).await {
        Ok(asked) => answer(&api, asked).await.unwrap_or_else(|problem| problem.response()),
        Err(problem) => problem.response(),
    }
}

async fn admit(
    api: &Api,
    route: &'static Route,
    params: Vec<String>,
    request: Request,
) -> Result<Asked, Problem> {
    let (head, body) = request.into_parts();
    let length = head.headers.get(CONTENT_LENGTH).and_then(|text| text.to_str().ok());
    let length: Option<usize> = length.and_then(|text| text.parse().ok());
    if length.is_some_and(|length| length > BODY_BYTES_MAX) {
        return Err(Problem::TOO_LARGE);
    }
    let query = head.uri.query().unwrap_or_default().to_owned();
    if query.len() > QUERY_BYTES_MAX {
        return Err(Problem::QUERY);
    }
    let known = match api.keys.by_token(&head.headers) {
        None if route.access != Access::Open => of_provider(api, &head.headers).await?,
        known => known,
    };
    // A signature is over the body; without a key or one nobody's body is read.
    if known.is_none() && route.access != Access::Open && !api.keys.is_signed(&head.headers) {
        return Err(Problem::UNAUTHORIZED);
    }
    let body = read(body).await?;
    let now_ms = crate::engine::wall_ms();
    let caller = known.or_else(|| api.keys.by_signature(&head.headers, &body, now_ms));
    let caller = route.access.admits(caller)?;
    Ok(Asked { route, caller, params, query, headers: head.headers, body })
}

// A token that is none of our own keys may be one of the identity provider.
async fn of_provider(api: &Api, headers: &HeaderMap) -> Result<Option<Caller>, Problem> {
    let text = headers.get(AUTHORIZATION).and_then(|text| text.to_str().ok());
    let token = text.and_then(|text| text.strip_prefix("Bearer "));
    let (Some(provider), Some(token)) = (&api.provider, token) else { return Ok(None) };
    // Why not is nobody's business who has no token.
    let now_s = crate::engine::wall_ms() / 1000;
    let Ok((caller, person)) = provider.caller(token, now_s).await else { return Ok(None) };
    // What a person may approve is a fact of the log, as it is for people of the configuration.
    // So is that somebody may approve no more; of a stranger there is nothing to tell.
    if !provider.knows(&person) {
        let (told, holds) = (person.clone(), !caller.roles.is_empty());
        let known = move |state: &crate::state::State, _| match state.people.get(&told.id) {
            Some(known) => *known == told,
            None => !holds,
        };
        if !api.lanes.see(known).await? {
            api.lanes.ask(Actor::Desk, vec![Input::Person(person.clone())]).await?;
        }
        provider.told(person);
    }
    Ok(Some(caller))
}

async fn read(body: Body) -> Result<Bytes, Problem> {
    let read = tokio::time::timeout(BODY_TIME, to_bytes(body, BODY_BYTES_MAX)).await;
    read.map_err(|_| Problem::SLOW)?.map_err(|_| Problem::TOO_LARGE)
}

async fn answer(api: &Api, asked: Asked) -> Result<Response, Problem> {
    match asked.route.op {
        Op::Alertmanager
        | Op::AlertsV2
        | Op::CloudEvents
        | Op::Generic
        | Op::Signal
        | Op::Heartbeat => ingest::answer(api, asked).await,
        Op::AddChange | Op::AddWindow | Op::EndWindow | Op::AddMute | Op::EndMute => {
            plans::answer(api, asked).await
        }
        Op::Ack
        | Op::Unack
        | Op::Note
        | Op::Move
        | Op::Lower
        | Op::Request
        | Op::Approve
        | Op::Reject
        | Op::Execute
        | Op::OpenGate => acts::answer(api, asked).await,
        Op::Report
        | Op::SealReport
        | Op::Validation
        | Op::PlanChecks
        | Op::Checked
        | Op::Review
        | Op::Label
        | Op::Merge
        | Op::Waive
        | Op::Release
        | Op::BreakGlass => reviews::answer(api, asked).await,
        Op::ReloadRules
        | Op::Policies
        | Op::ProposePolicy
        | Op::ApprovePolicy
        | Op::RevertPolicy
        | Op::Contacts
        | Op::PageTest => policies::answer(api, asked).await,
        Op::Replay => replay::answer(api, asked).await,
        Op::Runbooks | Op::StartRun | Op::ResumeRun | Op::AbortRun => {
            runs::answer(api, asked).await
        }
        Op::Document => Ok(answer::json_bytes(api.document.clone())),
        _ => lookup::answer(api, asked).await,
    }
}

impl Api {
    /// Uses the store on a thread that may wait.
    async fn with_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Problem> {
        apart(&self.store, work).await.map_err(|_| Problem::STORE)
    }

    fn published(&self) -> Published {
        self.published.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Requests that are worked on at once; with full bodies 128 MiB.
const REQUESTS_MAX: usize = 128;
/// A thousand alerts with a dozen labels each.
const BODY_BYTES_MAX: usize = 1 << 20;
/// For a body to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);
/// Three short parameters.
const QUERY_BYTES_MAX: usize = 256;
