//! `cargo xtask test`: everything that must hold before a change lands; `.ci/run` calls it and
//! nothing else.
//!
//! Cheap checks come first, so that a slip is seen in seconds; the tests come last. `tidy` is one
//! of the tests.

use crate::command::{Failure, cargo, step, succeeds};
use crate::{bench, documents, needs};

pub(crate) const HELP: &str = "\
Install what the tests need, then run every check of the gate.

usage: cargo xtask test

In order: Debian packages and SDKs that the tests use (installed when run as root on Debian,
else named), cargo fmt --check, clippy, documentation, doc tests, all tests (by cargo-nextest
if it is there, else cargo test), the commands printed in the documents, and the instructions
that a record costs.";

pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    if let Some(unknown) = args.first() {
        return Err(Failure::Usage(format!("test does not know {unknown}\n\n{HELP}")));
    }
    step(cargo().args(["fmt", "--all", "--check"]))?;
    needs::provide()?;
    step(cargo().args(CLIPPY))?;
    step(cargo().args(DOC).env("RUSTDOCFLAGS", "-D warnings"))?;
    step(cargo().args(["test", "--workspace", "--locked", "--doc"]))?;
    // The binaries are built apart, because tests of one crate start the binaries of another.
    step(cargo().args(["build", "--workspace", "--bins", "--locked"]))?;
    documents::check()?;
    bench::instructions::run(&["--check".to_owned()])?;
    if succeeds("cargo", &["nextest", "--version"]) {
        step(cargo().args(["nextest", "run", "--workspace", "--locked", "--no-fail-fast"]))
    } else {
        step(cargo().args(TESTS))
    }
}

const CLIPPY: [&str; 7] =
    ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
const DOC: [&str; 4] = ["doc", "--workspace", "--no-deps", "--locked"];
/// As nextest would: neither doc tests, which have run, nor benchmarks.
const TESTS: [&str; 7] =
    ["test", "--workspace", "--locked", "--no-fail-fast", "--lib", "--bins", "--tests"];
