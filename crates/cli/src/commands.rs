//! The subcommands: one file each, named for its noun. A file holds the arguments, whose comments
//! are the help, and one function that calls what does the work.

pub mod access;
pub mod approval;
pub mod archive;
pub mod attest;
pub mod audit;
pub mod baseline;
pub mod check;
pub mod completions;
pub mod contacts;
pub mod contract;
pub mod desk;
pub mod drill;
pub mod evidence;
pub mod gate;
pub mod gateway;
pub mod incident;
pub mod install_links;
pub mod leash;
pub mod man;
pub mod plan;
pub mod policy;
pub mod proxy;
pub mod query;
pub mod readiness;
pub mod reference;
pub mod register;
pub mod rules;
pub mod runbook;
pub mod send;
pub mod signals;
pub mod triage;
pub mod tunnel;
pub mod up;
pub mod validate;
pub mod view;
pub mod witness;

use clap::{Parser, Subcommand};

use crate::failure::{Exit, Failure};

/// See, audit and operate confidential workloads that nobody may look into
#[derive(Debug, Parser)]
#[command(
    name = "lucarne",
    version,
    arg_required_else_help = true,
    subcommand_required = true,
    after_help = EXIT_CODES
)]
pub struct Lucarne {
    /// What to do.
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Up(up::Args),
    Gateway(gateway::Args),
    Proxy(proxy::Args),
    Witness(witness::Args),
    Send(send::Args),
    Audit(audit::Args),
    Attest(attest::Args),
    Archive(archive::Args),
    Baseline(baseline::Args),
    Query(query::Args),
    Access(access::Args),
    Tunnel(tunnel::Args),
    InstallLinks(install_links::Args),
    Register(register::Args),
    Desk(desk::Args),
    Signals(signals::Args),
    Incident(incident::Args),
    Approve(approval::Approve),
    Reject(approval::Reject),
    Approval(approval::Args),
    Window(plan::Windows),
    Mute(plan::Mutes),
    Change(plan::Changes),
    Policy(policy::Args),
    Contacts(contacts::Args),
    Runbook(runbook::Args),
    Inflight(audit::inflight::Args),
    Drill(drill::Args),
    Readiness(readiness::Args),
    Gate(gate::Args),
    Rules(rules::Args),
    Check(check::Args),
    Validate(validate::Args),
    Triage(triage::Args),
    Evidence(evidence::Args),
    Contract(contract::Args),
    Completions(completions::Args),
    Man(man::Args),
    Reference(reference::Args),
    View(view::Args),
    Leash(leash::Args),
}

/// Runs the chosen command.
///
/// # Errors
/// Whatever the command failed on.
pub fn run(lucarne: Lucarne) -> Result<Exit, Failure> {
    match lucarne.command {
        Command::Up(args) => up::run(&args),
        Command::Gateway(args) => gateway::run(&args),
        Command::Proxy(args) => proxy::run(args),
        Command::Witness(args) => witness::run(&args),
        Command::Send(args) => send::run(args),
        Command::Audit(args) => audit::run(args),
        Command::Attest(args) => attest::run(&args),
        Command::Archive(args) => archive::run(&args),
        Command::Baseline(args) => baseline::run(&args),
        Command::Query(args) => query::run(&args),
        Command::Access(args) => access::run(&args),
        Command::Tunnel(args) => tunnel::run(&args),
        Command::InstallLinks(args) => install_links::run(&args),
        Command::Register(args) => register::run(&args),
        Command::Desk(args) => desk::run(&args),
        Command::Signals(args) => signals::run(&args),
        Command::Incident(args) => incident::run(&args),
        Command::Approve(args) => approval::approve(&args),
        Command::Reject(args) => approval::reject(&args),
        Command::Approval(args) => approval::run(&args),
        Command::Window(args) => plan::windows(&args),
        Command::Mute(args) => plan::mutes(&args),
        Command::Change(args) => plan::changes(&args),
        Command::Policy(args) => policy::run(&args),
        Command::Contacts(args) => contacts::run(&args),
        Command::Runbook(args) => runbook::run(&args),
        Command::Inflight(args) => audit::inflight::run(&args),
        Command::Drill(args) => drill::run(&args),
        Command::Readiness(args) => readiness::run(&args),
        Command::Gate(args) => gate::run(&args),
        Command::Rules(args) => rules::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Validate(args) => validate::run(&args),
        Command::Triage(args) => triage::run(&args),
        Command::Evidence(args) => evidence::run(&args),
        Command::Contract(args) => contract::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
        Command::Reference(args) => reference::run(&args),
        Command::View(args) => view::run(&args),
        Command::Leash(args) => leash::run(&args),
    }
}

const EXIT_CODES: &str = "\
Exit codes:
  0   yes: done, verified, matched
  1   no: not done, not verified
  2   could not tell, or incomplete
  3   the command line or a configuration file is wrong
  4   something could not be read or reached
  5   verified, but only under a root that is marked insecure
  70  a bug in lucarne";
