//! The process's own journal: life-cycle lines on standard error, as JSON, without any telemetry
//! content.
//!
//! Its messages are built from our own errors, which carry numbers and names of ours, never what a
//! workload sent; `Raw` has no way to be written.

use std::error::Error;
use std::fmt;
use std::io::Write;

/// Says what happened.
pub fn info(part: &str, message: &dyn fmt::Display) {
    line("info", part, message);
}

/// Says what an operator should look at.
pub fn warn(part: &str, message: &dyn fmt::Display) {
    line("warn", part, message);
}

/// Writes an error with everything that led to it: who can mend it reads the last of these.
pub fn write_causes(f: &mut fmt::Formatter<'_>, error: &dyn Error) -> fmt::Result {
    write!(f, "{error}")?;
    let mut cause = error.source();
    while let Some(next) = cause {
        write!(f, ": {next}")?;
        cause = next.source();
    }
    Ok(())
}

fn line(level: &str, part: &str, message: &dyn fmt::Display) {
    let line = serde_json::json!({ "level": level, "part": part, "message": message.to_string() });
    // A closed standard error must not stop the enclave.
    drop(writeln!(std::io::stderr(), "{line}"));
}
