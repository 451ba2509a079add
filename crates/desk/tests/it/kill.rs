//! A short campaign of kill -9 on both databases, with runs whose steps change something.

use lucarne_desk::store::{Postgres, Sqlite, Store};
use lucarne_testkit::Postgres as Server;

use crate::campaign::{CAPSULES, Campaign};
use crate::process::{Home, Process};
use crate::steps::RUNS;

// Two hundred are a benchmark; here are some.
const KILLS: usize = 12;

#[test]
fn a_desk_that_is_killed_loses_and_doubles_nothing() {
    let home = Home::new("{sqlite: desk.db}", RUNS);
    let open = || Store::new(Box::new(Sqlite::open(&home.path("desk.db")).unwrap())).unwrap();
    let told = Campaign { kills: KILLS, desks: 1, seed: 10 }.run(&home, open);
    assert_eq!((told.incidents.len(), told.stepped.runs), (KILLS * CAPSULES, KILLS));
    assert!(told.unanswered > 0, "no kill came between: {told:?}");
}

#[test]
fn of_two_desks_on_one_server_one_is_killed_and_nothing_is_lost_or_doubled() {
    let server = Server::start();
    let home = Home::new("{postgres_file: url}", RUNS);
    std::fs::write(home.path("url"), server.url()).unwrap();
    // The first makes the identity that both have.
    Process::first(&home);
    let open = || Store::new(Box::new(Postgres::connect(&server.url()).unwrap())).unwrap();
    let told = Campaign { kills: KILLS, desks: 2, seed: 2 }.run(&home, open);
    assert_eq!((told.incidents.len(), told.stepped.runs), (KILLS * CAPSULES, KILLS));
    assert!(told.unanswered > 0, "no kill came between: {told:?}");
}
