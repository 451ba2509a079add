//! Rate of the contract.

fn main() {}
