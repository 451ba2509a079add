//! The language from outside: what is taken, what is refused, and that printing loses nothing.

#[path = "it/accepted.rs"]
mod accepted;
#[path = "it/corpus.rs"]
mod corpus;
#[path = "it/refused.rs"]
mod refused;
#[path = "it/round_trip.rs"]
mod round_trip;
#[path = "it/seeds.rs"]
mod seeds;
#[path = "it/traceql.rs"]
mod traceql;
