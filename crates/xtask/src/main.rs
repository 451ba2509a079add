//! Repository chores: `cargo xtask <up|test|tidy|bench|fuzz>`.

fn main() {}
