//! `lucarne baseline propose`: a new version, which nobody has approved yet.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use lucarne_attest::baseline::{Entry, Version};
use lucarne_attest::eif::{IMAGE_BYTES_MAX, Image};
use lucarne_attest::{Register, Time};

use super::expected::Expected;
use super::{File, now, read_file};
use crate::failure::{Exit, Failure};

/// Add a version that nobody has approved yet
///
/// Its registers come from an attestation that somebody expects, or are computed from the image
/// itself. A version with the same name is refused. The file is made if there is none.
///
/// Example: lucarne baseline propose v1.2.3 --from-eif app.eif --git-commit
/// 0123456789abcdef0123456789abcdef01234567 --build-digest sha256:77aa --change CHG-1042
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the version
    version: String,
    #[command(flatten)]
    file: File,
    /// Take the registers of expected-attestation.json, and its user data as the deployment tag
    #[arg(long, value_name = "FILE", required_unless_present = "from_eif")]
    from: Option<PathBuf>,
    /// Compute PCR0 to PCR2, and PCR8 of a signed image, from an enclave image
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "from",
        requires_all = ["git_commit", "build_digest"]
    )]
    from_eif: Option<PathBuf>,
    /// Commit that it was built from
    #[arg(long, value_name = "HASH")]
    git_commit: Option<String>,
    /// Digest of what was built
    #[arg(long, value_name = "DIGEST")]
    build_digest: Option<String>,
    /// The change ticket
    #[arg(long, value_name = "TICKET")]
    change: Option<String>,
    /// Tag of the deployment, such as deploy-v1.2.3
    #[arg(long, value_name = "TAG")]
    deployment: Option<String>,
    /// From when it may run, such as 2026-11-21T08:00:00Z; now, if not given
    #[arg(long, value_name = "RFC3339")]
    valid_from: Option<Time>,
    /// Until when it may run; without end, if not given
    #[arg(long, value_name = "RFC3339")]
    valid_until: Option<Time>,
}

/// Runs the command.
///
/// # Errors
/// When something cannot be read, or the version could not be approved as it is.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let there = args.file.path.try_exists();
    let there = there.map_err(|error| Failure::unreadable("look for the baseline", &error))?;
    let mut versions = if there { args.file.read()?.versions().to_vec() } else { Vec::new() };
    let (registers, tag) = args.registers()?;
    let entry = Entry {
        version: args.version.clone(),
        any_of: vec![registers],
        valid_from: args.valid_from.unwrap_or_else(now),
        valid_until: args.valid_until,
        deployment: args.deployment.clone().or(tag),
        change: args.change.clone(),
        git_commit: args.git_commit.clone(),
        build_digest: args.build_digest.clone(),
    };
    let (digest, registers) = (entry.digest(), entry.any_of.clone());
    versions.push(Version { entry, approvals: Vec::new(), retirement: None });
    args.file.write(versions)?;
    writeln!(out, "proposed {}, entry {digest}", args.version)?;
    for (index, value) in registers.iter().flatten() {
        writeln!(out, "  PCR{index} {value}")?;
    }
    writeln!(out, "it needs two approvals: lucarne baseline approve {}", args.version)?;
    Ok(Exit::Yes)
}

impl Args {
    fn registers(&self) -> Result<(BTreeMap<u8, Register>, Option<String>), Failure> {
        if let Some(path) = &self.from {
            let expected = Expected::read(path)?;
            return Ok((expected.pcrs, expected.deployment));
        }
        let Some(path) = &self.from_eif else {
            return Err(Failure::usage("expected --from or --from-eif"));
        };
        let bytes = read_file(path, IMAGE_BYTES_MAX)?;
        let image = Image::parse(&bytes)
            .map_err(|error| Failure::new(Exit::No, format!("{}: {error}", path.display())))?;
        Ok((image.pcrs(), None))
    }
}
