//! `lucarne`: the operator's, investigator's and auditor's command.

fn main() {}
