//! Verdicts on genuine reports, on mutations of them, and on forgeries that break one rule each.

mod forge;
mod forged;
mod genuine;
mod past;
mod roots;
mod strict;
