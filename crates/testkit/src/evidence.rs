//! Evidence of machines that do not exist: quotes of TDX and reports of SEV-SNP under roots of the
//! test, well formed to the last field, with the collateral that goes with them.
//!
//! What they make is genuine in every respect but its root, so a relying party that names that root
//! accepts it and every other refuses it. A test changes one thing and looks for its reason.
//!
//! The forges in the tests of `attest` are others: they break every rule of a format one by one,
//! under names that only that crate can see. These know how to be right and nothing else.

pub mod der;
pub mod snp;
pub mod tdx;
mod time;

pub use snp::SnpMachine;
pub use tdx::TdxMachine;
