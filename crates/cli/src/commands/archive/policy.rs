//! `lucarne archive policy`: what to tell a store about who may do what.

use std::io::Write;

use clap::ValueEnum;
use lucarne_archive::s3::policy::{Role, Store, Wanted};
use serde_json::json;

use crate::failure::{Exit, Failure};

/// Print the policies of a bucket and of a role
///
/// The bucket's policy denies to everybody what would hide or double an object, and allows the role
/// what it needs, if --principal names who has it. The access policy is for the identity itself.
///
/// Example: lucarne archive policy --role forensic --bucket archive
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Who it is for: writer (the gateway), forensic or auditor
    #[arg(long)]
    role: Role,
    /// The bucket
    #[arg(long)]
    bucket: String,
    /// What stands before every name in the bucket
    #[arg(long, default_value = "")]
    prefix: String,
    /// Who has the role, as in arn:aws:iam::123456789012:role/gateway
    #[arg(long, value_name = "ARN")]
    principal: Option<String>,
    /// Deny locks of fewer days
    #[arg(long, value_name = "DAYS")]
    retention_days: Option<u32>,
    /// Which conditions the store knows
    #[arg(long, value_enum, default_value_t = Dialect::Aws)]
    store: Dialect,
    /// Print only one of the two
    #[arg(long, value_enum)]
    only: Option<Only>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Dialect {
    /// AWS and stores that know its condition keys
    Aws,
    /// Ceph, where puts cannot be made conditional by policy
    Ceph,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Only {
    /// The bucket's
    Bucket,
    /// The identity's
    Access,
}

/// Runs the command.
///
/// # Errors
/// When the result cannot be written.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let prefix = match args.prefix.trim_end_matches('/') {
        "" => String::new(),
        prefix => format!("{prefix}/"),
    };
    let wanted = Wanted {
        bucket: &args.bucket,
        prefix: &prefix,
        store: match args.store {
            Dialect::Aws => Store::Aws,
            Dialect::Ceph => Store::Ceph,
        },
        retention_days: args.retention_days,
        grants: args.principal.iter().map(|arn| (args.role, arn.clone())).collect(),
    };
    let (of_bucket, of_role) = (wanted.bucket_policy(), wanted.access_policy(args.role));
    let printed = match args.only {
        None => json!({ "bucket_policy": of_bucket, "access_policy": of_role }),
        Some(Only::Bucket) => of_bucket,
        Some(Only::Access) => of_role,
    };
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &printed).map_err(std::io::Error::from)?;
    writeln!(out)?;
    Ok(Exit::Yes)
}
