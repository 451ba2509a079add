//! Fakes with faults and strong checkers, for tests only.
#![forbid(unsafe_code)]
