//! `lucarne-enclave`: the process in the TEE.

use std::process::ExitCode;

fn main() -> ExitCode {
    lucarne_enclave::command::run(std::env::args_os().skip(1))
}
