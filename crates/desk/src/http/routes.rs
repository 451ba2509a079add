//! The table of routes: path, method, who may, what it takes and what it answers.

use super::access::{Caller, Role};
use super::answer::Problem;

/// A method.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verb {
    /// Look.
    Get,
    /// Say something.
    Post,
    /// End something.
    Delete,
}

impl Verb {
    /// As HTTP writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }
}

/// Who may.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Access {
    /// Everybody: probes, load balancers and scrapes.
    Open,
    /// Whoever has one of these roles.
    Roles(&'static [Role]),
}

impl Access {
    /// The caller, when they may.
    pub(super) fn admits(self, caller: Option<Caller>) -> Result<Caller, Problem> {
        match (self, caller) {
            (Self::Open, caller) => Ok(caller.unwrap_or_else(Caller::nobody)),
            (Self::Roles(_), None) => Err(Problem::UNAUTHORIZED),
            (Self::Roles(roles), Some(caller)) => {
                if roles.iter().any(|role| caller.roles.contains(role)) {
                    Ok(caller)
                } else {
                    Err(Problem::FORBIDDEN)
                }
            }
        }
    }
}

/// What a route does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the table says what each is")]
pub enum Op {
    Alertmanager,
    AlertsV2,
    CloudEvents,
    Generic,
    Signal,
    Heartbeat,
    Liveness,
    Changes,
    AddChange,
    Incidents,
    Incident,
    Timeline,
    Decisions,
    Report,
    SealReport,
    Validation,
    PlanChecks,
    Checked,
    Review,
    Label,
    Merge,
    Waive,
    Release,
    BreakGlass,
    Ack,
    Unack,
    Note,
    Move,
    Lower,
    Requests,
    Request,
    RequestShow,
    Approve,
    Reject,
    Execute,
    Gate,
    OpenGate,
    Runbooks,
    Runs,
    Run,
    StartRun,
    ResumeRun,
    AbortRun,
    Windows,
    AddWindow,
    EndWindow,
    Mutes,
    AddMute,
    EndMute,
    Outbox,
    Revive,
    ReloadRules,
    Policies,
    ProposePolicy,
    ApprovePolicy,
    RevertPolicy,
    Replay,
    Contacts,
    PageTest,
    Entries,
    Gates,
    Metrics,
    Health,
    Ready,
    Document,
}

/// A route.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Its method.
    pub verb: Verb,
    /// Its path.
    pub path: &'static str,
    /// What it does.
    pub op: Op,
    /// Who may.
    pub access: Access,
    /// One line for people.
    pub about: &'static str,
    /// The schema of its body, when it has one.
    pub body: Option<&'static str>,
    /// Everything it may answer.
    pub statuses: &'static [u16],
}

const SOURCE: Access = Access::Roles(&[Role::Source]);
const TELL: Access = Access::Roles(&[Role::Source, Role::Responder]);
const READ: Access = Access::Roles(&[Role::Reader, Role::Responder, Role::Admin]);
const ACT: Access = Access::Roles(&[Role::Responder]);
const PLAN: Access = Access::Roles(&[Role::Responder, Role::Admin]);

// 413 and 408: limits of the body; 503: not durable.
const TAKE: &[u16] = &[200, 400, 401, 403, 404, 408, 413, 503];
const DO: &[u16] = &[200, 400, 401, 403, 404, 408, 409, 413, 503];
const SEE: &[u16] = &[200, 400, 401, 403, 404, 408, 413, 503];
const SHOW: &[u16] = &[200, 400, 404, 408, 413, 503];

const fn route(
    verb: Verb,
    path: &'static str,
    op: Op,
    access: Access,
    body: Option<&'static str>,
    statuses: &'static [u16],
    about: &'static str,
) -> Route {
    Route { verb, path, op, access, about, body, statuses }
}

use Verb::{Delete, Get, Post};

/// All routes.
#[rustfmt::skip]
pub const ROUTES: &[Route] = &[
    route(Post, "/v1/ingest/alertmanager", Op::Alertmanager, SOURCE, Some("Webhook"), TAKE,
          "Take alerts of an Alertmanager webhook"),
    route(Post, "/api/v1/alertmanager", Op::Alertmanager, SOURCE, Some("Webhook"), TAKE,
          "Take alerts where the incident bot took them"),
    route(Post, "/api/v2/alerts", Op::AlertsV2, SOURCE, Some("Alerts"), TAKE,
          "Take alerts of Prometheus itself"),
    route(Post, "/v1/ingest/cloudevents", Op::CloudEvents, SOURCE, Some("Any"), TAKE,
          "Take CloudEvents 1.0"),
    route(Post, "/v1/ingest/generic/{id}", Op::Generic, SOURCE, Some("Any"), TAKE,
          "Take a body by a mapping of the configuration"),
    route(Post, "/v1/signals", Op::Signal, TELL, Some("Signal"), TAKE,
          "Take one signal"),
    route(Post, "/v1/heartbeats", Op::Heartbeat, SOURCE, Some("Heartbeat"), TAKE,
          "Take a heartbeat, timed here"),
    route(Post, "/heartbeat", Op::Heartbeat, SOURCE, Some("Heartbeat"), TAKE,
          "Take a heartbeat of Provability-Fabric"),
    route(Get, "/v1/liveness/{capsule}", Op::Liveness, READ, None, SEE,
          "Show the beats that a capsule has missed"),
    route(Get, "/v1/changes", Op::Changes, READ, None, SEE,
          "List changes, the newest first"),
    route(Post, "/v1/changes", Op::AddChange, TELL, Some("Change"), DO,
          "Record a deployment or an approved change"),
    route(Get, "/v1/incidents", Op::Incidents, READ, None, SEE,
          "List incidents, the newest first"),
    route(Get, "/v1/incidents/{id}", Op::Incident, READ, None, SEE,
          "Show an incident"),
    route(Get, "/v1/incidents/{id}/timeline", Op::Timeline, READ, None, SEE,
          "Show every entry of an incident in order"),
    route(Get, "/v1/incidents/{id}/decisions", Op::Decisions, READ, None, SEE,
          "Show every decision of an incident with its reasons"),
    route(Get, "/v1/incidents/{id}/report", Op::Report, READ, None, SEE,
          "Show the report of an incident as Markdown, HTML and JSON"),
    route(Post, "/v1/incidents/{id}/report", Op::SealReport, ACT, None, DO,
          "Seal the report as it is now"),
    route(Get, "/v1/incidents/{id}/validation", Op::Validation, READ, None, SEE,
          "Show what must be green before an incident is resolved"),
    route(Post, "/v1/incidents/{id}/checks", Op::PlanChecks, ACT, Some("Checks"), DO,
          "Say what must be green, and for how long"),
    route(Post, "/v1/incidents/{id}/checked", Op::Checked, ACT, Some("Checked"), DO,
          "Say what came out of a check"),
    route(Post, "/v1/incidents/{id}/review", Op::Review, ACT, Some("Review"), DO,
          "Write down root cause, lessons and what is left to do"),
    route(Post, "/v1/incidents/{id}/label", Op::Label, ACT, Some("Label"), DO,
          "Say what it really was"),
    route(Post, "/v1/incidents/{id}/merge", Op::Merge, ACT, Some("Merge"), DO,
          "Make an incident part of another"),
    route(Post, "/v1/incidents/{id}/waive", Op::Waive, ACT, Some("Waive"), DO,
          "Agree to go on without an item of evidence, or without the bundle"),
    route(Post, "/v1/incidents/{id}/release", Op::Release, ACT, Some("Reason"), DO,
          "End a hold whose evidence is sealed; two must"),
    route(Post, "/v1/incidents/{id}/break-glass", Op::BreakGlass, ACT, Some("Request"), DO,
          "Act alone as commander; the CISO is told"),
    route(Post, "/v1/incidents/{id}/ack", Op::Ack, ACT, None, DO,
          "Have an incident in hand"),
    route(Post, "/v1/incidents/{id}/unack", Op::Unack, ACT, None, DO,
          "Let an incident go on up the ladder"),
    route(Post, "/v1/incidents/{id}/notes", Op::Note, ACT, Some("Note"), DO,
          "Write something down"),
    route(Post, "/v1/incidents/{id}/move", Op::Move, ACT, Some("Move"), DO,
          "Move an incident to another phase"),
    route(Post, "/v1/incidents/{id}/severity", Op::Lower, ACT, Some("Lower"), DO,
          "Lower the severity, with a reason"),
    route(Get, "/v1/approvals", Op::Requests, READ, None, SEE,
          "List requests, the newest first"),
    route(Post, "/v1/incidents/{id}/approvals", Op::Request, ACT, Some("Request"), DO,
          "Ask for an action"),
    route(Get, "/v1/approvals/{id}", Op::RequestShow, READ, None, SEE,
          "Show a request"),
    route(Post, "/v1/approvals/{id}/approve", Op::Approve, ACT, Some("Approve"), DO,
          "Agree to exactly these arguments"),
    route(Post, "/v1/approvals/{id}/reject", Op::Reject, ACT, None, DO,
          "Say no"),
    route(Post, "/v1/approvals/{id}/execute", Op::Execute, ACT, None, DO,
          "Have it done, once"),
    route(Get, "/v1/gates", Op::Gates, READ, None, SEE,
          "List gates that are shut"),
    route(Get, "/v1/gates/{name}", Op::Gate, Access::Open, None, SHOW,
          "Answer 200 while a gate is open and 503 while it is shut"),
    route(Post, "/v1/gates/{name}/open", Op::OpenGate, ACT, Some("Reason"), DO,
          "Open a gate"),
    route(Get, "/v1/runbooks", Op::Runbooks, READ, None, SEE,
          "List the runbooks of this site"),
    route(Get, "/v1/runs", Op::Runs, READ, None, SEE,
          "List runs, the newest first"),
    route(Post, "/v1/runs", Op::StartRun, ACT, Some("Run"), DO,
          "Run a runbook for an incident"),
    route(Get, "/v1/runs/{id}", Op::Run, READ, None, SEE,
          "Show a run: where it stands, what it asked, what it changed"),
    route(Post, "/v1/runs/{id}/resume", Op::ResumeRun, ACT, Some("Resume"), DO,
          "Let a run go on that waits, failed or is in doubt"),
    route(Post, "/v1/runs/{id}/abort", Op::AbortRun, ACT, Some("Reason"), DO,
          "Stop a run and undo what it did"),
    route(Get, "/v1/maintenance-windows", Op::Windows, READ, None, SEE,
          "List windows of planned work"),
    route(Post, "/v1/maintenance-windows", Op::AddWindow, PLAN, Some("Window"), DO,
          "Plan work"),
    route(Delete, "/v1/maintenance-windows/{id}", Op::EndWindow, PLAN, None, DO,
          "End planned work before its time"),
    route(Get, "/v1/mutes", Op::Mutes, READ, None, SEE,
          "List mutes"),
    route(Post, "/v1/mutes", Op::AddMute, PLAN, Some("Mute"), DO,
          "Do nothing about a scope for a while, and go on recording"),
    route(Delete, "/v1/mutes/{id}", Op::EndMute, PLAN, None, DO,
          "Act again"),
    route(Get, "/v1/outbox", Op::Outbox, READ, None, SEE,
          "List notifications, dead ones included"),
    route(Post, "/v1/outbox/{id}/retry", Op::Revive, PLAN, None, DO,
          "Try a dead notification again"),
    route(Post, "/v1/rules/reload", Op::ReloadRules, PLAN, None, DO,
          "Read the rules of the catalogue again, out of the file that the configuration names"),
    route(Get, "/v1/policies", Op::Policies, READ, None, SEE,
          "Show the policy that holds, and those that wait for people"),
    route(Post, "/v1/policies", Op::ProposePolicy, ACT, Some("Policy"), DO,
          "Propose another policy, or another threshold, for a while or for good"),
    route(Post, "/v1/policies/{id}/approve", Op::ApprovePolicy, ACT, None, DO,
          "Agree to the policy of this digest"),
    route(Post, "/v1/policies/revert", Op::RevertPolicy, ACT, Some("Reason"), DO,
          "Go back to the policy that held before"),
    route(Post, "/v1/replay", Op::Replay, READ, Some("Replay"), SEE,
          "Show which decisions another policy would have made otherwise"),
    route(Get, "/v1/contacts", Op::Contacts, READ, None, SEE,
          "List who is told, and when"),
    route(Post, "/v1/contacts/page-test", Op::PageTest, PLAN, Some("PageTest"), DO,
          "Send a test page to a role through every channel"),
    route(Get, "/v1/entries", Op::Entries, READ, None, SEE,
          "Show the log from an entry on"),
    route(Get, "/metrics", Op::Metrics, Access::Open, None, SHOW,
          "Show what is measured"),
    route(Get, "/health", Op::Health, Access::Open, None, SHOW,
          "Say that the process lives"),
    route(Get, "/ready", Op::Ready, Access::Open, None, SHOW,
          "Say whether inputs can be kept"),
    route(Get, "/openapi.json", Op::Document, Access::Open, None, SHOW,
          "Describe this interface"),
];
