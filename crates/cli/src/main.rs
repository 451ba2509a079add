//! `lucarne`: the operator's, investigator's and auditor's command. Everything is in the library.

fn main() -> std::process::ExitCode {
    lucarne_cli::run()
}
