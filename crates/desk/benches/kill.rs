//! Two hundred kills of a desk on a file, and two hundred of one of two desks on PostgreSQL.
//!
//! It has no figure but that: whatever was acknowledged is there once, each step of each run was
//! done once, and the ledger verifies. Words of the command line choose among the two.

use std::io::Write;
use std::time::Instant;

use lucarne_desk::store::{Postgres, Sqlite, Store};
use lucarne_testkit::Postgres as Server;

#[path = "../tests/it/campaign.rs"]
mod campaign;
#[path = "../tests/it/process.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod process;
#[path = "../tests/it/steps.rs"]
mod steps;

use campaign::{Campaign, Told};
use process::{Home, Process};
use steps::RUNS;

fn main() {
    process::serve_if_asked();
    let quick = std::env::args().any(|arg| arg == "--test");
    let kills = if quick { 3 } else { 200 };
    let home = Home::new("{sqlite: desk.db}", RUNS);
    let began = Instant::now();
    let told = Campaign { kills, desks: 1, seed: 71 }.run(&home, || {
        let file = Sqlite::open(&home.path("desk.db")).expect("it is there");
        Store::new(Box::new(file)).expect("it is a store")
    });
    report("one desk on a file", kills, began, &told);

    let server = Server::start();
    let home = Home::new("{postgres_file: url}", RUNS);
    std::fs::write(home.path("url"), server.url()).expect("the folder is ours");
    // The first makes the identity that both have.
    Process::first(&home);
    let began = Instant::now();
    let told = Campaign { kills, desks: 2, seed: 72 }.run(&home, || {
        let server = Postgres::connect(&server.url()).expect("it runs");
        Store::new(Box::new(server)).expect("it is a store")
    });
    report("two desks on a server", kills, began, &told);
}

fn report(name: &str, kills: usize, began: Instant, told: &Told) {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{name}: {kills} kills in {} s; {} incidents and {} executions acknowledged, {} answers \
         did not come; nothing lost, nothing twice, ledger verified\n  {} runs done, {} steps \
         begun again, {} settled by a person, {} calls under a key that was seen: each step once",
        began.elapsed().as_secs(),
        told.incidents.len(),
        told.executed.len(),
        told.unanswered,
        told.stepped.runs,
        told.stepped.again,
        told.stepped.settled,
        told.stepped.repeated,
    )
    .expect("standard output is open");
}
