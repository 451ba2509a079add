//! `lucarne triage explain`: why the desk decided as it did, and what else was known.

use std::io::Write;

use lucarne_desk::decision::Decision;
use lucarne_desk::policy::Policy;
use lucarne_desk::simulation::simulate;
use serde_json::{Value, json};

use crate::desk_client::{Desk, DeskAt, Output};
use crate::failure::{Exit, Failure};

/// Explain every decision of an incident: row, figures, reasons, and the circumstances
///
/// Circumstances are whether its capsule or tenant is known, recent changes, planned work, similar
/// incidents with their verdicts, and how busy its tenant is against its usual.
///
/// Example: lucarne triage explain INC-1
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The incident
    #[arg(value_name = "INC")]
    id: String,
    #[command(flatten)]
    at: DeskAt,
}

/// Runs the command.
///
/// # Errors
/// When the desk refuses or cannot be reached.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let desk = args.at.open()?;
    let path = format!("/v1/incidents/{}", args.id);
    let view = desk.get(&path)?;
    let decisions: Vec<Decision> = serde_json::from_value(desk.get(&format!("{path}/decisions"))?)
        .map_err(|cause| Failure::because(Exit::No, "read the decisions", &cause))?;
    let policies = desk.get("/v1/policies")?;
    let policy = Policy::parse(policies["source"].as_str().unwrap_or_default())
        .map_err(|cause| Failure::because(Exit::No, "read the desk's policy", &cause))?;
    let context = Context::of(&desk, &view["incident"])?;
    if args.at.output == Output::Json {
        let bands: Vec<Value> = decisions.iter().map(|one| bands(&policy, one)).collect();
        let said = json!({ "version": 1, "incident": args.id, "decisions": decisions,
                           "bands": bands, "context": context.as_json() });
        writeln!(out, "{said}")?;
        return Ok(Exit::Yes);
    }
    for decision in &decisions {
        write(&policy, decision, out)?;
    }
    for (name, text) in context.lines() {
        writeln!(out, "{name:15} {text}")?;
    }
    Ok(Exit::Yes)
}

fn bands(policy: &Policy, decision: &Decision) -> Value {
    let simulation = simulate(policy, &decision.inputs);
    json!({
        "false_positive_likelihood": simulation.risk.map(|band| band.false_positive()),
        "playbook_step": simulation.risk.map(|band| band.first_step()),
        "heartbeat_band": simulation.beats.map(|band| band.as_str()),
    })
}

fn write(policy: &Policy, decision: &Decision, out: &mut dyn Write) -> Result<(), Failure> {
    let rule = |rule: &Option<lucarne_desk::policy::RuleId>| match rule {
        Some(rule) => rule.to_string(),
        None => "none".to_owned(),
    };
    let actions: Vec<&str> = decision.actions.iter().map(|action| action.as_str()).collect();
    writeln!(out, "verdict         {} ({})", decision.verdict, rule(&decision.rule))?;
    writeln!(out, "actions         {}", actions.join(", "))?;
    writeln!(out, "confidence      {}", decision.confidence.as_str())?;
    writeln!(out, "otherwise       {}", rule(&decision.next_best))?;
    let simulation = simulate(policy, &decision.inputs);
    if let Some(band) = simulation.risk {
        writeln!(out, "false positive  {}", band.false_positive())?;
        writeln!(out, "playbook says   {}", band.first_step())?;
    }
    if let Some(band) = simulation.beats {
        writeln!(out, "heartbeats      {}", band.as_str())?;
    }
    writeln!(out, "policy          {}", decision.policy_sha256)?;
    writeln!(out, "took            {} ms", decision.latency_ms)?;
    for line in &decision.explanation {
        writeln!(out, "because         {line}")?;
    }
    writeln!(out)?;
    Ok(())
}

/// What step 4 of the playbook asks for.
struct Context {
    known: &'static str,
    changes: Vec<String>,
    windows: Vec<String>,
    similar: Vec<String>,
    tenant: String,
}

impl Context {
    fn of(desk: &Desk, incident: &Value) -> Result<Self, Failure> {
        let labels = &incident["labels"];
        let same = |other: &Value, name: &str| {
            labels[name].is_string() && other["labels"][name] == labels[name]
        };
        let others = desk.get("/v1/incidents?limit=1000")?;
        let others = others.as_array().cloned().unwrap_or_default();
        let others: Vec<&Value> = others
            .iter()
            .map(|view| &view["incident"])
            .filter(|other| other["id"] != incident["id"])
            .collect();
        let of_capsule = others.iter().any(|other| same(other, "capsule_hash"));
        let beats = labels["capsule_hash"]
            .as_str()
            .map(|capsule| desk.ask(&http::Method::GET, &format!("/v1/liveness/{capsule}"), None));
        let beats = beats.transpose()?.is_some_and(|answer| answer.status == 200);
        let known = match (beats, of_capsule) {
            (true, _) => "yes: it sends heartbeats",
            (_, true) => "yes: of earlier incidents",
            _ => "no",
        };
        let similar = others.iter().filter(|other| other["kind"] == incident["kind"]);
        let similar = similar.take(SIMILAR_MAX).map(|other| {
            let text = |name: &str| other[name].as_str().unwrap_or("none").to_owned();
            format!("INC-{} {} ({})", other["id"], text("verdict"), text("phase"))
        });
        Ok(Self {
            known,
            changes: in_scope(&desk.get("/v1/changes")?, labels),
            windows: in_scope(&desk.get("/v1/maintenance-windows")?, labels),
            similar: similar.collect(),
            tenant: activity(&others, incident),
        })
    }

    fn lines(&self) -> Vec<(&'static str, String)> {
        let joined = |all: &[String]| {
            if all.is_empty() { "none".to_owned() } else { all.join(", ") }
        };
        vec![
            ("known capsule", self.known.to_owned()),
            ("changes", joined(&self.changes)),
            ("planned work", joined(&self.windows)),
            ("similar", joined(&self.similar)),
            ("tenant", self.tenant.clone()),
        ]
    }

    fn as_json(&self) -> Value {
        json!({ "known_capsule": self.known, "changes": self.changes, "windows": self.windows,
                "similar": self.similar, "tenant": self.tenant })
    }
}

fn in_scope(all: &Value, labels: &Value) -> Vec<String> {
    let fits = |one: &&Value| {
        let scope = one["scope"].as_object();
        scope.is_some_and(|scope| scope.iter().all(|(name, text)| labels[name] == *text))
    };
    let name = |one: &Value| one["id"].as_str().unwrap_or_default().to_owned();
    all.as_array().into_iter().flatten().filter(fits).map(name).collect()
}

// Signals of the tenant's incidents during the hour before, against the mean hour of the day.
fn activity(others: &[&Value], incident: &Value) -> String {
    let tenant = ["tenant_id", "tenantHash", "tenant"]
        .into_iter()
        .find(|name| incident["labels"][*name].is_string());
    let Some(tenant) = tenant else { return "not stated".to_owned() };
    let opened = incident["opened"]["wall_ms"].as_u64().unwrap_or_default();
    let signals = |within_ms: u64| -> u64 {
        let near = others.iter().filter(|other| {
            let at = other["opened"]["wall_ms"].as_u64().unwrap_or_default();
            other["labels"][tenant] == incident["labels"][tenant]
                && at <= opened
                && opened - at <= within_ms
        });
        near.filter_map(|other| other["signals"].as_u64()).sum()
    };
    let (hour, day) = (signals(HOUR_MS), signals(24 * HOUR_MS));
    format!("{hour} signals in the last hour, {:.1} in a usual one", day as f64 / 24.0)
}

const HOUR_MS: u64 = 3_600_000;
/// Enough to see a pattern.
const SIMILAR_MAX: usize = 5;
