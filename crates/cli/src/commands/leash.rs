//! `lucarne leash`: becomes another program that the kernel kills when the parent dies.
//!
//! `lucarne up` starts its parts through this, so that even `kill -9` of `up` leaves nothing
//! running. Setting the death signal between fork and exec would need unsafe code; a process may
//! set its own, and exec keeps it.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

use crate::failure::{Exit, Failure};

/// Become PROGRAM, and be killed when the process PARENT dies
#[derive(Debug, clap::Args)]
#[command(hide = true)]
pub struct Args {
    /// Process id of the parent
    parent: i32,
    /// The program to become, and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    program: Vec<OsString>,
}

/// Replaces this process; returns only when that failed.
///
/// # Errors
/// When the parent is gone already or the program cannot be run.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|cause| Failure::unreadable("tie the process to its parent", &cause))?;
    // The parent may have died before the line above; then nobody would ever send the signal.
    if getppid() != Pid::from_raw(args.parent) {
        return Err(Failure::new(Exit::No, "the parent process is gone"));
    }
    let Some((program, rest)) = args.program.split_first() else {
        return Err(Failure::usage("no program given"));
    };
    let cause = Command::new(program).args(rest).exec();
    Err(Failure::unreadable(&format!("run {}", program.to_string_lossy()), &cause))
}
