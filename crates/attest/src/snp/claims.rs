//! Claims: what a report says, once it is verified, and what was not asked of it.

use alloc::vec::Vec;
use core::fmt;

use lucarne_ledger::hash::{Hash, to_hex};

use super::policy::{Accepted, Measurements, Policy};
use super::product::Product;
use super::report::{GuestPolicy, KeyClass, PlatformInfo};
use super::tcb::Tcb;
use super::{Expect, Parts};
use crate::register::{Fingerprint, Register};
use crate::time::Time;

/// What a report says about the guest and the machine it runs on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Claims {
    /// Family of the processor.
    pub product: Product,
    /// The root it was verified under.
    pub root: Fingerprint,
    /// Version of the report.
    pub version: u32,
    /// What sort of key signed.
    pub key: KeyClass,
    /// Whether nothing protects the guest from its host: debug mode, or a root that is not AMD's.
    /// Show it in every verdict.
    pub insecure: bool,
    /// What weakens this verdict, in a fixed order.
    pub caveats: Vec<Caveat>,
    /// Launch measurement.
    pub measurement: Register,
    /// What the host gave the guest at launch.
    pub host_data: [u8; 32],
    /// What the guest asked to have vouched for.
    pub report_data: [u8; 64],
    /// What the guest's owner allows its host.
    pub policy: GuestPolicy,
    /// What the machine says of itself.
    pub platform: PlatformInfo,
    /// Privilege of who asked for the report; 0 is the most.
    pub vmpl: u32,
    /// The guest's own security version.
    pub guest_svn: u32,
    /// Family of the guest, as its owner numbers them.
    pub family_id: [u8; 16],
    /// Image of the guest, as its owner numbers them.
    pub image_id: [u8; 16],
    /// Digest of the key that signed the identity block; zero without one.
    pub id_key_digest: Register,
    /// Digest of the key that certified that key; zero without one.
    pub author_key_digest: Register,
    /// Random name of this run of the guest.
    pub report_id: [u8; 32],
    /// Name of the chip, unless its host masks it. Turin's is 8 bytes and zeros.
    pub chip_id: Option<[u8; 64]>,
    /// Firmware that the certificate vouches for.
    pub reported_tcb: Tcb,
    /// Firmware that the machine cannot be rolled back below.
    pub committed_tcb: Tcb,
    /// Firmware that runs, by the machine's own word.
    pub current_tcb: Tcb,
    /// Firmware that ran at launch.
    pub launch_tcb: Tcb,
    /// Mitigations that are on, by bit; 0 before version 5.
    pub mitigations: u64,
    /// SHA-256 of the signed bytes: the identity of the evidence.
    ///
    /// The signature behind them is malleable; a hash of the file names a file, not evidence.
    pub identity: Hash,
    /// When it was judged.
    pub judged_at: Time,
    /// Start of the validity of the certificate that signed.
    pub leaf_not_before: Time,
    /// End of the validity of the certificate that signed.
    pub leaf_not_after: Time,
    /// Until when the verdict holds: the first end of a certificate or of the revocation list.
    pub valid_until: Time,
}

/// Something that weakens a verdict, though the policy allows it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Caveat {
    /// The host may read the guest.
    Debug,
    /// A migration agent may read the guest.
    MigrationAgent,
    /// Keys of the product can be read out by software.
    Milan,
    /// The key names no chip.
    Vlek,
    /// The host masks the name of the chip.
    ChipIdMasked,
    /// Nobody looked for memory modules that lie about their size.
    NoAliasCheck,
    /// No revocation list was given.
    NoRevocationList,
    /// The policy has no floor for the firmware.
    NoTcbFloor,
    /// The policy compares no measurement.
    MeasurementUnchecked,
    /// The policy compares no report data, so that this may be a replay.
    ReportDataUnchecked,
    /// The policy names neither a chip nor host data: any machine with this code will do.
    InstanceNotBound,
}

impl Claims {
    pub(super) fn new(parts: &Parts<'_>, policy: &Policy, now: Time, expect: &Expect) -> Self {
        let Parts { report, chain, tcb, revocations } = parts;
        let until = chain.not_after();
        let chip_id = (report.chip_id != [0; 64]).then_some(report.chip_id);
        let mut claims = Self {
            product: chain.product,
            root: Fingerprint::of(chain.root.der),
            version: report.version,
            key: report.key,
            insecure: report.policy.debug() || chain.insecure_root,
            caveats: Vec::new(),
            measurement: report.measurement,
            host_data: report.host_data,
            report_data: report.report_data,
            policy: report.policy,
            platform: report.platform,
            vmpl: report.vmpl,
            guest_svn: report.guest_svn,
            family_id: report.family_id,
            image_id: report.image_id,
            id_key_digest: report.id_key_digest,
            author_key_digest: report.author_key_digest,
            report_id: report.report_id,
            chip_id,
            reported_tcb: tcb.reported,
            committed_tcb: tcb.committed,
            current_tcb: tcb.current,
            launch_tcb: tcb.launch,
            mitigations: report.mitigations,
            identity: Hash::of(report.signed),
            judged_at: now,
            leaf_not_before: chain.leaf.not_before,
            leaf_not_after: chain.leaf.not_after,
            valid_until: revocations.as_ref().map_or(until, |list| until.min(list.next_update)),
        };
        claims.caveats = claims.caveats(policy, expect, revocations.is_none());
        claims
    }

    fn caveats(&self, policy: &Policy, expect: &Expect, no_list: bool) -> Vec<Caveat> {
        let floor = policy.products.get(&self.product);
        let unbound =
            [policy.chip_id == Accepted::DangerAny, policy.host_data == Accepted::DangerAny];
        let found = [
            (Caveat::Debug, self.policy.debug()),
            (Caveat::MigrationAgent, self.policy.migration_agent()),
            (Caveat::Milan, self.product == Product::Milan),
            (Caveat::Vlek, self.key == KeyClass::Vlek),
            (Caveat::ChipIdMasked, self.chip_id.is_none()),
            (Caveat::NoAliasCheck, !self.platform.alias_check()),
            (Caveat::NoRevocationList, no_list),
            (Caveat::NoTcbFloor, floor == Some(&Tcb::ZERO)),
            (Caveat::MeasurementUnchecked, policy.measurements == Measurements::DangerAny),
            (Caveat::ReportDataUnchecked, *expect == Expect::DangerAny),
            (Caveat::InstanceNotBound, unbound == [true, true]),
        ];
        found.into_iter().filter_map(|(caveat, is)| is.then_some(caveat)).collect()
    }
}

impl fmt::Display for Claims {
    /// One fact a line, without a line end behind the last.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { product, version, key, policy, platform, vmpl, guest_svn, .. } = self;
        let (major, minor) = policy.abi();
        writeln!(f, "evidence       AMD SEV-SNP {product}, report version {version}, by {key}")?;
        if self.insecure {
            writeln!(f, "INSECURE       the host can read the guest")?;
        }
        writeln!(f, "measurement    {}", self.measurement)?;
        writeln!(f, "report data    {}", to_hex(&self.report_data))?;
        writeln!(f, "host data      {}", to_hex(&self.host_data))?;
        match &self.chip_id {
            Some(chip) => writeln!(f, "chip           {}", to_hex(chip))?,
            None => writeln!(f, "chip           masked")?,
        }
        writeln!(f, "guest          vmpl {vmpl}, svn {guest_svn}")?;
        writeln!(f, "guest policy   {:#x}, firmware interface {major}.{minor}", policy.bits())?;
        writeln!(f, "platform       {:#x}", platform.bits())?;
        writeln!(f, "reported tcb   {}", self.reported_tcb)?;
        writeln!(f, "committed tcb  {}", self.committed_tcb)?;
        writeln!(f, "current tcb    {} (by its own word)", self.current_tcb)?;
        writeln!(f, "launch tcb     {}", self.launch_tcb)?;
        writeln!(f, "key valid      {} to {}", self.leaf_not_before, self.leaf_not_after)?;
        writeln!(f, "judged at      {}, holds to {}", self.judged_at, self.valid_until)?;
        for caveat in &self.caveats {
            writeln!(f, "caveat         {caveat}")?;
        }
        write!(f, "identity       {}", self.identity)
    }
}

impl fmt::Display for Caveat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Debug => "the guest is in debug mode, its host can read it",
            Self::MigrationAgent => "a migration agent can read the guest",
            Self::Milan => "keys of Milan can be read out by software, so this may be forged",
            Self::Vlek => "signed by a VLEK, which names no chip",
            Self::ChipIdMasked => "the host masks the name of the chip",
            Self::NoAliasCheck => "memory was not checked for aliases",
            Self::NoRevocationList => "no revocation list was given",
            Self::NoTcbFloor => "the policy has no floor for the firmware",
            Self::MeasurementUnchecked => "the policy compares no measurement",
            Self::ReportDataUnchecked => "report data was not compared, this may be a replay",
            Self::InstanceNotBound => "instance not bound: any machine with this code will do",
        })
    }
}
