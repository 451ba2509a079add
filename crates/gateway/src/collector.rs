//! A file of the OpenTelemetry Collector, read as it is: receivers, processors, exporters and the
//! pipelines between them.
//!
//! What enclaves send enters every pipeline that names `lucarne_uplink`, or all of them when none
//! does; what `receivers.otlp` takes is telemetry of the host, and sealed by nobody. Redaction
//! rules of every pipeline guard the archive too. An option that is not supported is an error with
//! its line and the nearest thing that is; nothing is ignored.

mod attributes;
pub(crate) mod chain;
pub(crate) mod defaults;
mod environment;
mod exporters;
mod node;
mod receivers;
pub(crate) mod redaction;
mod resolve;
mod section;
mod statements;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lucarne_otlp::Signal;
use lucarne_redact::RulesConfig;

pub use self::chain::Route;
pub use self::exporters::Target;
pub use self::receivers::OtlpReceiver;
pub use self::resolve::{Override, Resolve};

use self::attributes::Attributes;
use self::chain::{Chain, Feed, Step};
use self::node::Node;
use self::redaction::Redaction;
use self::section::{Section, Value};
use crate::config::{ConfigError, read_text};

/// The outer layer that `lucarne up` starts with, and a file to begin with: what the page beside
/// the printed file promises and that file lacks.
pub const SHIPPED: &str = include_str!("collector/shipped.yaml");

/// A collector file, checked and compiled.
#[derive(Debug, Default)]
pub struct Collector {
    /// Takes telemetry of the host.
    pub receiver: Option<OtlpReceiver>,
    /// Exporters with the pipelines that lead to them.
    pub outlets: Vec<Outlet>,
    /// What guards archive and exports.
    pub(crate) redactions: Vec<Arc<Redaction>>,
    /// The shortest `timeout` of a `batch`.
    pub batch_timeout: Option<Duration>,
    /// The smallest `send_batch_size` of a `batch`.
    pub batch_size: Option<usize>,
    /// The smallest `limit_mib` of a `memory_limiter`, in bytes.
    pub memory_bytes_max: Option<usize>,
    /// Where `health_check` is asked for.
    pub health: Option<SocketAddr>,
}

/// An exporter of the file.
#[derive(Debug)]
pub struct Outlet {
    /// Its name in metrics and of its cursor.
    pub name: String,
    /// What it is.
    pub target: Target,
    /// Where it is written.
    pub line: u64,
    /// What leads to it.
    pub(crate) feeds: Vec<Feed>,
}

/// `kind` or `kind/name`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ComponentId {
    pub(crate) kind: String,
    whole: String,
}

impl ComponentId {
    fn parse(at: &Value<'_>, text: &str) -> Result<Self, ConfigError> {
        let kind = text.split_once('/').map_or(text, |(kind, _)| kind);
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if kind.is_empty() || !kind.chars().all(is_word) || text.ends_with('/') {
            return Err(at.fault(&format!("expected kind or kind/name, found {text:?}")));
        }
        Ok(Self { kind: kind.to_owned(), whole: text.to_owned() })
    }

    /// As a name of an exporter: lower case, with hyphens.
    pub(crate) fn name(&self) -> String {
        let allowed = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
        self.whole.to_ascii_lowercase().chars().map(allowed).collect()
    }
}

/// Whether a text is a collector file: it has `service:` at its top.
pub(crate) fn is_collector(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("service:"))
}

impl Collector {
    /// Reads a file and what it takes from the environment of the process.
    ///
    /// # Errors
    /// With file, line and name of what cannot be used, and the nearest that can.
    pub fn load(path: &Path, resolve: &Resolve) -> Result<Self, ConfigError> {
        let text = read_text(path)?;
        Self::parse(&text, path, resolve, &|name| std::env::var(name).ok())
    }

    /// Adds what its redaction processors block to the rules of the receivers.
    pub(crate) fn add_rules(&self, rules: &mut RulesConfig) {
        for listed in self.redactions.iter().map(|one| &one.listed) {
            for (key, _) in &listed.keys {
                if !rules.blocked_keys.contains(key) {
                    rules.blocked_keys.push(key.clone());
                }
            }
            for (pattern, _) in &listed.patterns {
                if !rules.blocked_values_patterns.contains(pattern) {
                    rules.blocked_values_patterns.push(pattern.clone());
                }
            }
        }
    }

    /// Where the rules that `add_rules` made are written, by what they are called.
    pub(crate) fn places(&self, rules: &RulesConfig) -> BTreeMap<String, String> {
        let mut places = BTreeMap::new();
        for redaction in &self.redactions {
            for (key, line) in &redaction.listed.keys {
                places.insert(format!("key:{key}"), format!("{} line {line}", redaction.id));
            }
            for (pattern, line) in &redaction.listed.patterns {
                let index = rules.blocked_values_patterns.iter().position(|one| one == pattern);
                if let Some(index) = index {
                    places
                        .insert(format!("value:{index}"), format!("{} line {line}", redaction.id));
                }
            }
        }
        places
    }

    /// Reads a text.
    ///
    /// # Errors
    /// As `load`.
    pub(crate) fn parse(
        text: &str,
        path: &Path,
        resolve: &Resolve,
        lookup: environment::Lookup<'_>,
    ) -> Result<Self, ConfigError> {
        let node = Node::parse(text, path, lookup)?;
        let mut top = Section::top(path, &node)?;
        let mut collector = Self::default();
        let receivers = components(&mut top, "receivers")?;
        for (id, value) in &receivers {
            collector.read_receiver(id, value, resolve)?;
        }
        let mut processors = Vec::new();
        for (id, value) in components(&mut top, "processors")? {
            let processor = collector.read_processor(&id, &value)?;
            processors.push((id, processor));
        }
        let exporters = components(&mut top, "exporters")?;
        let extensions = components(&mut top, "extensions")?;
        let Some(service) = top.take("service") else {
            return Err(ConfigError::new(path, "expected `service`, found none"));
        };
        top.finish(&[("connectors", "a pipeline with two exporters")])?;
        let pipelines = collector.read_service(service.section()?, &extensions, resolve)?;
        let declared = Declared { file: path, receivers, processors, exporters };
        declared.connect(&pipelines, &mut collector)?;
        Ok(collector)
    }

    fn read_receiver(
        &mut self,
        id: &ComponentId,
        value: &Value<'_>,
        resolve: &Resolve,
    ) -> Result<(), ConfigError> {
        match id.kind.as_str() {
            "otlp" if self.receiver.is_some() => {
                Err(value.fault("a second `otlp` is not supported; the first has both protocols"))
            }
            "otlp" => {
                self.receiver = Some(receivers::otlp(value, resolve)?);
                Ok(())
            }
            UPLINK => value.section()?.finish(&[]),
            other => Err(unknown(value, "receiver", other, &["otlp", UPLINK])),
        }
    }

    fn read_processor(
        &mut self,
        id: &ComponentId,
        value: &Value<'_>,
    ) -> Result<Processor, ConfigError> {
        let mut options = value.section()?;
        match id.kind.as_str() {
            "redaction" => {
                Redaction::read(&id.whole, options).map(Arc::new).map(Processor::Redaction)
            }
            "attributes" => Attributes::read(&id.whole, options).map(Processor::Attributes),
            "transform" => statements::transform(options).map(Processor::Steps),
            "filter" => statements::filter(options).map(Processor::Steps),
            "batch" => {
                if let Some(timeout) = options.take("timeout") {
                    let timeout = timeout.duration()?.max(BATCH_TIMEOUT_MIN);
                    let known = self.batch_timeout.unwrap_or(timeout);
                    self.batch_timeout = Some(known.min(timeout));
                }
                for name in ["send_batch_size", "send_batch_max_size"] {
                    let Some(size) = options.take(name) else { continue };
                    let size = size.integer(0, 1_000_000)?;
                    if size > 0 {
                        let size = usize::try_from(size).unwrap_or(usize::MAX);
                        self.batch_size = Some(self.batch_size.unwrap_or(size).min(size));
                    }
                }
                options.finish(&[("metadata_keys", "`send_batch_size`")])?;
                Ok(Processor::Gathers)
            }
            "memory_limiter" => {
                if let Some(interval) = options.take("check_interval") {
                    interval.duration()?;
                }
                let Some(limit) = options.take("limit_mib") else {
                    return Err(options.fault("expected `limit_mib`, found none"));
                };
                let limit = limit.integer(16, 1 << 20)? << 20;
                let spike = options.take("spike_limit_mib");
                let spike = spike.map_or(Ok(0), |spike| spike.integer(0, limit >> 20))? << 20;
                let limit = usize::try_from(limit - spike).unwrap_or(usize::MAX);
                self.memory_bytes_max = Some(self.memory_bytes_max.unwrap_or(limit).min(limit));
                options.finish(&[
                    ("limit_percentage", "`limit_mib`"),
                    ("spike_limit_percentage", "`spike_limit_mib`"),
                ])?;
                Ok(Processor::Gathers)
            }
            "resource" => Err(value.fault(
                "is not supported; the nearest supported is `transform` with `context: resource`",
            )),
            other => Err(unknown(value, "processor", other, &PROCESSORS)),
        }
    }

    fn read_service<'n>(
        &mut self,
        mut service: Section<'n>,
        declared: &[(ComponentId, Value<'_>)],
        resolve: &Resolve,
    ) -> Result<Value<'n>, ConfigError> {
        for (id, value) in declared {
            let mut options = value.section()?;
            if id.kind != "health_check" {
                return Err(unknown(value, "extension", &id.kind, &["health_check"]));
            }
            let endpoint = options.take("endpoint");
            let default = "localhost:13133";
            let address = receivers::address(value, endpoint.as_ref(), default, resolve)?;
            if let Some(path) = options.take("path") {
                path.choice(&[("/health", ()), ("/ready", ())])?;
            }
            options.finish(&[])?;
            self.health = Some(address);
        }
        if let Some(used) = service.take("extensions") {
            for element in used.list()? {
                let name = element.text()?;
                if !declared.iter().any(|(id, _)| id.whole == name) {
                    return Err(element.fault(&format!("no extension is called {name:?}")));
                }
            }
        }
        if let Some(telemetry) = service.take("telemetry") {
            read_telemetry(telemetry.section()?)?;
        }
        let Some(pipelines) = service.take("pipelines") else {
            return Err(service.fault("expected `pipelines`, found none"));
        };
        service.finish(&[])?;
        Ok(pipelines)
    }
}

/// What the gateway says of itself is fixed; only what says the same is accepted.
fn read_telemetry(mut telemetry: Section<'_>) -> Result<(), ConfigError> {
    if let Some(logs) = telemetry.take("logs") {
        let mut logs = logs.section()?;
        if let Some(level) = logs.take("level") {
            level.choice(&[("info", ()), ("INFO", ())])?;
        }
        if let Some(encoding) = logs.take("encoding") {
            encoding.choice(&[("json", ())])?;
        }
        logs.finish(&[])?;
    }
    if let Some(metrics) = telemetry.take("metrics") {
        let mut metrics = metrics.section()?;
        if let Some(level) = metrics.take("level") {
            level.choice(&[("basic", ()), ("normal", ()), ("detailed", ())])?;
        }
        metrics
            .finish(&[("address", "`http.address` of the gateway's own file, page /metrics")])?;
    }
    telemetry.finish(&[("traces", "`metrics`"), ("resource", "`metrics`")])
}

/// A processor before it is put into a pipeline of one signal.
#[derive(Debug)]
enum Processor {
    Redaction(Arc<Redaction>),
    Attributes(Attributes),
    Steps([Vec<Step>; 3]),
    /// Says how requests are gathered, and changes no record.
    Gathers,
}

/// Everything that pipelines may name.
struct Declared<'n> {
    file: &'n Path,
    receivers: Vec<(ComponentId, Value<'n>)>,
    processors: Vec<(ComponentId, Processor)>,
    exporters: Vec<(ComponentId, Value<'n>)>,
}

/// A pipeline before it is known which others name the uplink.
struct Pipeline {
    chain: Arc<Chain>,
    names_uplink: bool,
    names_otlp: bool,
    exporters: Vec<ComponentId>,
}

impl Declared<'_> {
    fn connect(&self, at: &Value<'_>, collector: &mut Collector) -> Result<(), ConfigError> {
        let mut pipelines = Vec::new();
        for (name, value) in at.section()?.all() {
            pipelines.push(self.pipeline(name, &value, collector)?);
        }
        if pipelines.is_empty() {
            return Err(at.fault("expected a pipeline, found none"));
        }
        let any_uplink = pipelines.iter().any(|pipeline| pipeline.names_uplink);
        for (id, value) in &self.exporters {
            let mut feeds = Vec::new();
            let mut signals = Vec::new();
            for pipeline in pipelines.iter().filter(|one| one.exporters.contains(id)) {
                let signal = pipeline.chain.signal;
                if !signals.contains(&signal) {
                    signals.push(signal);
                }
                feeds.push(Feed {
                    chain: Arc::clone(&pipeline.chain),
                    uplink: pipeline.names_uplink || !any_uplink,
                    host: pipeline.names_otlp,
                });
            }
            let target = exporters::read(id, value, &signals)?;
            // The collector starts nothing that no pipeline names, and neither do we.
            if !feeds.is_empty() {
                collector.outlets.push(Outlet {
                    name: id.name(),
                    target,
                    line: value.line(),
                    feeds,
                });
            }
        }
        Ok(())
    }

    fn pipeline(
        &self,
        name: &str,
        value: &Value<'_>,
        collector: &mut Collector,
    ) -> Result<Pipeline, ConfigError> {
        let kind = name.split_once('/').map_or(name, |(kind, _)| kind);
        let signal = SIGNALS.into_iter().find(|signal| exporters::word(*signal) == kind);
        let words = SIGNALS.map(exporters::word);
        let signal = signal.ok_or_else(|| unknown(value, "signal", kind, &words))?;
        let mut options = value.section()?;
        let mut list = |key: &'static str| match options.take(key) {
            Some(value) => value.list(),
            None => Ok(Vec::new()),
        };
        let (receivers, processors, ends) =
            (list("receivers")?, list("processors")?, list("exporters")?);
        if receivers.is_empty() || ends.is_empty() {
            return Err(options.fault("expected `receivers` and `exporters`, one each at least"));
        }
        options.finish(&[])?;
        let mut names = [false, false];
        for element in &receivers {
            let id = named(element, "receivers", self.receivers.iter().map(|(id, _)| id))?;
            names[usize::from(id.kind == UPLINK)] = true;
        }
        let [names_otlp, names_uplink] = names;
        let mut steps = Vec::new();
        for element in &processors {
            let id = named(element, "processors", self.processors.iter().map(|(id, _)| id))?;
            let found = self.processors.iter().find(|(known, _)| known == id);
            let Some((_, processor)) = found else { continue };
            match processor {
                Processor::Redaction(redaction) => {
                    if !collector.redactions.iter().any(|known| Arc::ptr_eq(known, redaction)) {
                        collector.redactions.push(Arc::clone(redaction));
                    }
                    steps.push(Step::Redaction(Arc::clone(redaction)));
                }
                Processor::Attributes(attributes) => {
                    let compiled = attributes.compile(signal, self.file)?;
                    steps.push(Step::Transform(Box::new(compiled)));
                }
                Processor::Steps([logs, metrics, traces]) => {
                    steps.extend_from_slice(match signal {
                        Signal::Logs => logs,
                        Signal::Metrics => metrics,
                        Signal::Traces => traces,
                    });
                }
                Processor::Gathers => {}
            }
        }
        let mut exporters = Vec::new();
        for element in &ends {
            let known = self.exporters.iter().map(|(id, _)| id);
            exporters.push(named(element, "exporters", known)?.clone());
        }
        let chain = Arc::new(Chain { signal, steps });
        Ok(Pipeline { chain, names_uplink, names_otlp, exporters })
    }
}

fn components<'n>(
    top: &mut Section<'n>,
    key: &'static str,
) -> Result<Vec<(ComponentId, Value<'n>)>, ConfigError> {
    let Some(section) = top.take(key) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for (name, value) in section.section()?.all() {
        found.push((ComponentId::parse(&value, name)?, value));
    }
    Ok(found)
}

/// The component that an element of a pipeline names.
fn named<'c>(
    element: &Value<'_>,
    list: &str,
    known: impl Iterator<Item = &'c ComponentId> + Clone,
) -> Result<&'c ComponentId, ConfigError> {
    let text = element.text()?;
    known.clone().find(|id| id.whole == text).ok_or_else(|| {
        let names: Vec<&str> = known.map(|id| id.whole.as_str()).collect();
        let nearest = section::nearest(text, &names);
        element.fault(&format!("{text:?} is not among `{list}`; the nearest is `{nearest}`"))
    })
}

fn unknown(at: &Value<'_>, what: &str, found: &str, known: &[&str]) -> ConfigError {
    let nearest = section::nearest(found, known);
    at.fault(&format!("there is no {what} `{found}`; the nearest supported is `{nearest}`"))
}

/// The receiver that stands for what enclaves send.
const UPLINK: &str = "lucarne_uplink";
const PROCESSORS: [&str; 6] =
    ["redaction", "attributes", "transform", "filter", "batch", "memory_limiter"];
const SIGNALS: [Signal; 3] = [Signal::Logs, Signal::Metrics, Signal::Traces];
/// Below this the archive would be full of tiny files.
const BATCH_TIMEOUT_MIN: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
