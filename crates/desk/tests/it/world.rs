//! The world outside of the desk as HTTP doubles, and a desk on a virtual clock that drives runs
//! against it: what is real is everything but the clock and what answers.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use lucarne_desk::bundle::dsse::SealingKey;
use lucarne_desk::catalogue::Catalogue;
use lucarne_desk::engine::lanes::Unavailable;
use lucarne_desk::event::Input;
use lucarne_desk::incident::{IncidentId, Phase};
use lucarne_desk::moment::Moment;
use lucarne_desk::person::Actor;
use lucarne_desk::refusal::Refusal;
use lucarne_desk::runbook::run::{Resume, RunId};
use lucarne_desk::runner::bags::Bags;
use lucarne_desk::runner::{Runner, Seat};
use lucarne_desk::signal::{Draft, Kind};
use lucarne_desk::state::State as DeskState;
use lucarne_desk::watchers::Watcher;

use crate::clock::{SECOND, Scene, draft, normal, scrubber, text};

/// What a path answers, until something changes it.
type Answers = BTreeMap<String, (u16, String)>;

#[derive(Default)]
struct Inner {
    answers: Answers,
    // what a call changes
    after: BTreeMap<String, Vec<(String, u16, String)>>,
    calls: Vec<(String, String, String)>,
}

/// The double.
#[derive(Clone)]
pub(crate) struct World {
    inner: Arc<Mutex<Inner>>,
    pub(crate) at: String,
}

impl World {
    pub(crate) async fn start() -> Self {
        let inner = Arc::new(Mutex::new(Inner::default()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(serve).with_state(Arc::clone(&inner));
        drop(tokio::spawn(async move { axum::serve(listener, router).await }));
        Self { inner, at }
    }

    pub(crate) fn says(&self, path: &str, status: u16, body: &str) {
        self.inner.lock().unwrap().answers.insert(path.to_owned(), (status, body.to_owned()));
    }

    /// A query at `/prom/NAME` gives this value or nothing, and one for lines a line or none.
    pub(crate) fn measures(&self, name: &str, value: Option<&str>) {
        let one = |value| format!("{{\"metric\":{{}},\"value\":[1,\"{value}\"]}}");
        let result = value.map(one).unwrap_or_default();
        let body = format!("{{\"data\":{{\"resultType\":\"vector\",\"result\":[{result}]}}}}");
        self.says(&format!("/prom/{name}/api/v1/query"), 200, &body);
        // A Loki that is asked for lines.
        let line = "{\"stream\":{},\"values\":[[\"1\",\"a line\"]]}";
        let result = if value.is_some() { line } else { "" };
        let body = format!("{{\"data\":{{\"resultType\":\"streams\",\"result\":[{result}]}}}}");
        self.says(&format!("/prom/{name}/api/v1/query_range"), 200, &body);
    }

    /// After a call of `path`, `other` answers otherwise.
    pub(crate) fn turns(&self, path: &str, other: &str, status: u16, body: &str) {
        let mut inner = self.inner.lock().unwrap();
        let after = inner.after.entry(path.to_owned()).or_default();
        after.push((other.to_owned(), status, body.to_owned()));
    }

    /// Calls that change something, as path and body, in order.
    pub(crate) fn changes(&self) -> Vec<(String, String)> {
        let inner = self.inner.lock().unwrap();
        let changed = inner.calls.iter().filter(|(method, ..)| method != "GET");
        changed.map(|(_, path, body)| (path.clone(), body.clone())).collect()
    }

    pub(crate) fn changed(&self) -> Vec<String> {
        self.changes().into_iter().map(|(path, _)| path).collect()
    }
}

async fn serve(State(inner): State<Arc<Mutex<Inner>>>, request: Request) -> (StatusCode, String) {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let path = head.uri.path().to_owned();
    let mut inner = inner.lock().unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    inner.calls.push((head.method.to_string(), path.clone(), body));
    let (status, body) = inner.answers.get(&path).cloned().unwrap_or((404, String::new()));
    // Whoever answers a nonce has seen it.
    let nonce = head.uri.query().and_then(|query| query.strip_prefix("nonce=")).unwrap_or("");
    let body = body.replace("NONCE", nonce);
    for (other, status, body) in inner.after.get(&path).cloned().unwrap_or_default() {
        inner.answers.insert(other, (status, body));
    }
    (StatusCode::from_u16(status).unwrap(), body)
}

/// A desk on the virtual clock.
#[derive(Clone)]
pub(crate) struct Core(pub(crate) Arc<Mutex<Scene>>);

impl Seat for Core {
    async fn ask(&self, inputs: Vec<Input>) -> Result<Vec<Option<Refusal>>, Unavailable> {
        let mut scene = self.0.lock().unwrap();
        let one = |input| scene.take(Actor::Desk, input).refused().cloned();
        Ok(inputs.into_iter().map(one).collect())
    }

    async fn see<T: Send + 'static>(
        &self,
        look: impl FnOnce(&DeskState, Moment) -> T + Send + 'static,
    ) -> Result<T, Unavailable> {
        let scene = self.0.lock().unwrap();
        Ok(look(scene.desk().state(), scene.now()))
    }
}

/// An incident with a run, and the world it is about.
pub(crate) struct Site {
    pub(crate) world: World,
    pub(crate) core: Core,
    pub(crate) runner: Runner<Core>,
    pub(crate) dir: tempfile::TempDir,
}

pub(crate) fn runner(core: &Core, catalogue: &str, dir: &Path, owner: &str) -> Runner<Core> {
    let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
    let pair = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
    let key = SealingKey::from_pkcs8(pair.as_ref()).unwrap();
    Runner {
        seat: core.clone(),
        catalogue: Catalogue::parse(catalogue).unwrap(),
        bags: Some(Bags { folder: dir.to_owned(), key, desk: "desk-1".to_owned() }),
        scrubber: Arc::new(scrubber()),
        owner: owner.to_owned(),
        alone: true,
        watching: Mutex::default(),
    }
}

pub(crate) fn shipped(runbook: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../runbooks");
    std::fs::read_to_string(folder.join(format!("{runbook}.yaml"))).unwrap()
}

impl Site {
    /// A signal of a kind has come in.
    pub(crate) async fn new(kind: Kind, labels: &[(&str, &str)], catalogue: &str) -> Self {
        Self::after(Some(draft(kind, labels)), catalogue).await
    }

    /// A signal has come in, or none; the catalogue calls the world `AT` and its folder `DIR`.
    pub(crate) async fn after(first: Option<Draft>, catalogue: &str) -> Self {
        let world = World::start().await;
        let mut scene = Scene::new();
        if let Some(draft) = first {
            scene.input(Input::Signal(normal(&draft)));
        }
        let core = Core(Arc::new(Mutex::new(scene)));
        let dir = tempfile::tempdir().unwrap();
        let catalogue = catalogue.replace("AT", &world.at);
        let catalogue = catalogue.replace("DIR", dir.path().to_str().unwrap());
        let runner = runner(&core, &catalogue, dir.path(), "desk-1/1");
        Self { world, core, runner, dir }
    }

    /// Somebody starts a run of a text.
    pub(crate) fn start(&self, who: &str, source: &str, inputs: &[(&str, &str)]) {
        let inputs = inputs.iter().map(|(name, value)| ((*name).to_owned(), text(value)));
        let incident = IncidentId(1);
        // Whoever starts it has seen the signatures of all roles.
        let approved = ["security", "compliance", "ciso"].map(str::to_owned).into();
        let (source, inputs) = (source.to_owned(), inputs.collect());
        let input = Input::RunStart { incident, source, inputs, approved };
        self.core.0.lock().unwrap().says(who, input);
    }

    /// Asks the rules of the catalogue every 15 s until then.
    pub(crate) async fn watch(&self, watchers: &mut [Watcher], seconds: std::ops::Range<u64>) {
        for second in seconds.step_by(15) {
            self.core.0.lock().unwrap().until(second * SECOND);
            for watcher in &mut *watchers {
                watcher.turn(&self.core, &scrubber()).await.unwrap();
            }
        }
    }

    /// What the rules of the catalogue look at.
    pub(crate) fn watchers(&self) -> Vec<Watcher> {
        self.runner.catalogue.rules.iter().cloned().map(Watcher::new).collect()
    }

    /// Drives runs until nothing moves, and goes on second by second.
    pub(crate) async fn until(&self, seconds: u64) {
        loop {
            while self.runner.turn().await.unwrap() {}
            let mut scene = self.core.0.lock().unwrap();
            let now = scene.now().mono_ms;
            if now >= seconds * SECOND {
                return;
            }
            scene.until(now + SECOND);
        }
    }

    pub(crate) fn says(&self, who: &str, input: Input) -> Option<Refusal> {
        self.core.0.lock().unwrap().says(who, input).refused().cloned()
    }

    pub(crate) fn approve(&self, request: u64) {
        let mut scene = self.core.0.lock().unwrap();
        scene.approve("security-approver", request);
        scene.approve("compliance-approver", request);
    }

    pub(crate) fn resume(&self, how: Option<Resume>) -> Option<Refusal> {
        let (run, reason) = (RunId(1), text("looked at it"));
        self.says("responder-a", Input::Resume { run, how, reason })
    }

    pub(crate) fn abort(&self) -> Option<Refusal> {
        self.says("responder-a", Input::Abort { run: RunId(1), reason: text("enough") })
    }

    /// How the run stands: `running`, `done`, …, and at which step.
    pub(crate) fn stands(&self) -> (String, String) {
        let scene = self.core.0.lock().unwrap();
        let view = scene.desk().state().run(RunId(1)).unwrap().view();
        (view.standing.to_owned(), view.step.unwrap_or_default().to_owned())
    }

    pub(crate) fn answer(&self, step: &str) -> Option<String> {
        let scene = self.core.0.lock().unwrap();
        let view = scene.desk().state().run(RunId(1)).unwrap().view();
        view.answers.get(step).map(ToString::to_string)
    }

    pub(crate) fn phase(&self) -> Phase {
        self.core.0.lock().unwrap().incident(1).phase
    }

    pub(crate) fn gate(&self, name: &str) -> bool {
        self.core.0.lock().unwrap().desk().state().gate(name).is_some()
    }

    pub(crate) fn check(&self) -> String {
        self.core.0.lock().unwrap().check()
    }
}
