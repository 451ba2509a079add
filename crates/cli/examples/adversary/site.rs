//! A valid archive: two instances, five boots, both ledgers of each; clean and unclean ends,
//! declared gaps, records withheld with authority, days that change in the middle.
//!
//! Files are kept in memory by name; an attack changes the map and the arena writes the difference.

use std::collections::BTreeMap;
use std::sync::Arc;

use lucarne_archive::Name;
use lucarne_archive::name::{CheckpointName, Date, EpochFile, EpochName, SealName};
use lucarne_archive::segment::SegmentWriter;
use lucarne_cli::random::Random;
use lucarne_ledger::batch::{self, EpochKey};
use lucarne_ledger::binding::EpochBinding;
use lucarne_ledger::checkpoint::{Checkpoint, origin};
use lucarne_ledger::control::Previous;
use lucarne_ledger::hash::{Hash, to_hex};
use lucarne_ledger::identity::{Instance, LedgerId, LedgerKind};
use lucarne_ledger::key::{Ed25519Key, Signer};
use lucarne_ledger::statement::Withholding;

use super::anchored::Anchors;
use super::evidence::Root;
use super::keys::EpochKeys;
use super::sealed::{Batch, BatchPlan, Entry, seal};

/// What the origins of checkpoints begin with.
pub(crate) const PREFIX: &str = "lucarne.test";
/// The code that the policy expects.
pub(crate) const MEASUREMENT: [u8; 48] = [1; 48];
/// The rule by which the site's outer layer withholds.
pub(crate) const RULE: &str = "key form.*";

/// The files of an archive by their names.
pub(crate) type Files = BTreeMap<String, Arc<[u8]>>;

/// Everything that the adversary knows.
pub(crate) struct Site {
    pub(crate) files: Files,
    /// In the order of their boots, instance by instance.
    pub(crate) epochs: Vec<Epoch>,
    pub(crate) hardware: Root,
    pub(crate) software: Root,
    pub(crate) unknown: Root,
    /// The gateway's key for withholding, and what it comes from.
    pub(crate) withholding: Ed25519Key,
    pub(crate) withholding_seed: [u8; 32],
    /// What anchors it from outside, if anything does.
    pub(crate) anchors: Option<Anchors>,
}

/// One boot.
#[derive(Clone)]
pub(crate) struct Epoch {
    pub(crate) binding: EpochBinding,
    pub(crate) keys: Arc<EpochKeys>,
    pub(crate) attested_ms: u64,
    pub(crate) insecure: bool,
    /// What its keys were attested with; a signature is random, so it is made once.
    pub(crate) evidence: Arc<[u8]>,
    /// Positions of the boots before and after it.
    pub(crate) before: Option<usize>,
    pub(crate) after: Option<usize>,
    pub(crate) ledgers: [LedgerModel; 2],
}

/// One ledger with what became of it.
#[derive(Clone)]
pub(crate) struct LedgerModel {
    pub(crate) id: LedgerId,
    pub(crate) plan: Vec<BatchPlan>,
    pub(crate) batches: Vec<Batch>,
    pub(crate) segments: Vec<Segment>,
    pub(crate) closed: bool,
}

/// One `.seal` file and its checkpoint.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) name: SealName,
    /// Positions of its batches.
    pub(crate) batches: std::ops::Range<usize>,
    pub(crate) checkpoint: CheckpointName,
}

impl Segment {
    pub(crate) fn file(&self) -> String {
        self.name.to_string()
    }

    pub(crate) fn note(&self) -> String {
        self.checkpoint.to_string()
    }

    pub(crate) const fn range(&self) -> (u64, u64) {
        (self.name.first, self.name.last)
    }
}

impl LedgerModel {
    pub(crate) fn size(&self) -> u64 {
        self.batches.last().map_or(0, |batch| batch.end)
    }

    pub(crate) fn root(&self) -> Hash {
        self.batches.last().map_or(Hash::ZERO, |batch| batch.root)
    }

    pub(crate) fn head(&self, size: u64, root: Hash) -> Checkpoint {
        Checkpoint { origin: origin(PREFIX, &self.id), size, root }
    }
}

impl Epoch {
    pub(crate) const fn instance(&self) -> &Instance {
        &self.binding.instance
    }

    pub(crate) fn file(&self, file: EpochFile) -> String {
        let (instance, epoch) = (self.instance().clone(), self.binding.epoch_id());
        Name::Epoch(EpochName { instance, epoch, file }).to_string()
    }

    pub(crate) fn key(&self) -> EpochKey {
        let (instance, epoch) = (self.instance().clone(), self.binding.epoch_id());
        EpochKey { instance, epoch, key: self.keys.public_key().clone() }
    }
}

/// When and how an epoch begins.
pub(crate) struct Birth<'a> {
    pub(crate) instance: &'a str,
    pub(crate) start_ms: u64,
    pub(crate) insecure: bool,
    pub(crate) closes: bool,
    /// What its two ledgers are told of the boot before.
    pub(crate) previous: [Option<Previous>; 2],
}

impl Site {
    /// The site of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        let random = &mut Random::new(seed);
        let mut site = Self::empty(random);
        // Midnight falls into the first boot. A day later nothing is old enough to matter.
        for (instance, start_ms, insecure, closes) in [
            ("nitro-001-us-east", MIDNIGHT_MS - 40_000, false, true),
            ("nitro-001-us-east", MIDNIGHT_MS + 3_600_000, false, false),
            ("nitro-001-us-east", MIDNIGHT_MS + 7_200_000, false, true),
            ("nitro-002-eu-west", MIDNIGHT_MS + 9_000_000, true, true),
            ("nitro-002-eu-west", MIDNIGHT_MS + 12_600_000, true, true),
        ] {
            let at = site.epochs.len();
            let before =
                at.checked_sub(1).filter(|at| site.epochs[*at].instance().as_str() == instance);
            let previous = [0, 1].map(|kind| before.map(|at| site.told(at, kind)));
            let birth = Birth { instance, start_ms, insecure, closes, previous };
            let mut epoch = site.epoch(random, &birth);
            epoch.before = before;
            if let Some(before) = before {
                site.epochs[before].after = Some(at);
            }
            for kind in 0..2 {
                site.withhold_some(&mut epoch, kind, random);
            }
            let files = site.files_of(&epoch);
            site.files.extend(files);
            site.epochs.push(epoch);
        }
        site
    }

    /// One instance, one boot, one ledger, and as little in it as there can be.
    #[cfg(test)]
    pub(crate) fn tiny(seed: u64, kind: LedgerKind) -> Self {
        let random = &mut Random::new(seed);
        let mut site = Self::empty(random);
        let birth = Birth {
            instance: "i",
            start_ms: MIDNIGHT_MS,
            insecure: true,
            closes: true,
            previous: [None, None],
        };
        let mut epoch = site.epoch(random, &birth);
        for ledger in &mut epoch.ledgers {
            let mut only = ledger.plan[0].clone();
            let open = Entry::Open { previous: None, evidence: Hash::of(&epoch.evidence) };
            only.entries = vec![open, Entry::Said("a".to_owned()), Entry::Close { lies: false }];
            only.ends_file = true;
            *ledger = lay_out(&ledger.id, &epoch.keys, vec![only]);
        }
        let mut files = site.files_of(&epoch);
        let ledger = format!("/{kind}/");
        files.retain(|name, _| name.starts_with("epochs/") || name.contains(&ledger));
        site.files.extend(files);
        site.epochs.push(epoch);
        site
    }

    fn empty(random: &mut Random) -> Self {
        let withholding_seed = random.bytes();
        Self {
            files: Files::new(),
            epochs: Vec::new(),
            hardware: Root::new(random, "adversary's hardware root"),
            software: Root::new(random, "adversary's software root (INSECURE)"),
            unknown: Root::new(random, "somebody's root"),
            withholding: Ed25519Key::from_seed(&withholding_seed).expect("any seed is one"),
            withholding_seed,
            anchors: None,
        }
    }

    /// The policy of the site's auditor.
    pub(crate) fn policy(&self, ledgers: &str) -> String {
        let (hardware, software) = (self.hardware.fingerprint(), self.software.fingerprint());
        let mut text = format!(
            "log_prefix: {PREFIX}\nroots: [{{ kind: nitro, fingerprint: \"{hardware}\" }}]\n\
             insecure: [{{ kind: software, fingerprint: \"{software}\" }}]\n\
             measurements: [\"{}\"]\nledgers: [{ledgers}]\n\
             withholding_keys: [{{ name: gateway, ed25519: \"{}\" }}]\n",
            to_hex(&MEASUREMENT),
            to_hex(self.withholding.public_key().raw()),
        );
        text += &self.anchors.as_ref().map_or_else(String::new, Anchors::policy);
        let unclean = self.epochs.iter().filter(|epoch| !epoch.ledgers[0].closed);
        for (at, epoch) in unclean.enumerate() {
            if at == 0 {
                text += "accept_unclean_end:\n";
            }
            let (instance, id) = (epoch.instance(), epoch.binding.epoch_id());
            text += &format!(
                "  - {{ instance: {instance}, epoch: \"{id}\", explanation: power was lost }}\n"
            );
        }
        text
    }

    /// A new boot, sealed and laid out.
    pub(crate) fn epoch(&self, random: &mut Random, birth: &Birth<'_>) -> Epoch {
        let keys = Arc::new(EpochKeys::new(random));
        let ed25519 = keys.ed25519.public_key().raw().try_into().expect("32 bytes");
        let binding = EpochBinding {
            p256_spki: keys.public_key().spki().to_vec(),
            ed25519,
            mldsa44: None,
            channel_spki: None,
            instance: birth.instance.parse().expect("a name"),
            nonce: random.bytes(),
            configuration_sha256: [6; 32],
            contract_sha256: [7; 32],
            deployment: None,
        };
        let root = if birth.insecure { &self.software } else { &self.hardware };
        let evidence = root.evidence(&binding, &MEASUREMENT, birth.start_ms);
        let digest = Hash::of(&evidence);
        let ledgers = LedgerKind::ALL.map(|kind| {
            let (instance, epoch) = (binding.instance.clone(), binding.epoch_id());
            let id = LedgerId { instance, epoch, kind };
            let previous = match kind {
                LedgerKind::Audit => birth.previous[0].as_ref(),
                LedgerKind::Telemetry => birth.previous[1].as_ref(),
            };
            lay_out(&id, &keys, plan(random, birth, previous, digest))
        });
        let (attested_ms, insecure) = (birth.start_ms, birth.insecure);
        let evidence = evidence.into();
        Epoch { binding, keys, attested_ms, insecure, evidence, before: None, after: None, ledgers }
    }

    /// The head of a ledger as a gateway tells the next boot.
    pub(crate) fn told(&self, epoch: usize, kind: usize) -> Previous {
        let ledger = &self.epochs[epoch].ledgers[kind];
        let epoch = ledger.id.epoch.to_string();
        Previous { epoch, size: ledger.size(), root: ledger.root().to_string() }
    }

    /// Every file of an epoch.
    pub(crate) fn files_of(&self, epoch: &Epoch) -> Files {
        let mut files = Files::new();
        files.insert(epoch.file(EpochFile::Evidence), Arc::clone(&epoch.evidence));
        files.insert(epoch.file(EpochFile::Binding), epoch.binding.to_cbor().into());
        for ledger in &epoch.ledgers {
            files.extend(ledger_files(ledger, &epoch.keys));
        }
        files
    }

    // What an outer layer did before anything was archived.
    fn withhold_some(&self, epoch: &mut Epoch, kind: usize, random: &mut Random) {
        let key = epoch.key();
        let ledger = &mut epoch.ledgers[kind];
        let at = 1 + index(random, ledger.batches.len() - 2);
        let batch = &mut ledger.batches[at];
        batch.bytes = self.without_some(&batch.bytes, &key, |position| position == 0);
    }

    /// A batch without some of its records, with the gateway's authority.
    pub(crate) fn without_some(
        &self,
        bytes: &[u8],
        key: &EpochKey,
        chosen: impl Fn(usize) -> bool,
    ) -> Vec<u8> {
        let verified = batch::verify(bytes, key).expect("it is genuine");
        let statement = verified.statement();
        verified.withhold(|position| {
            chosen(position).then(|| {
                let word = Withholding {
                    ledger: statement.ledger.clone(),
                    seq: statement.first + position as u64,
                    commitment: verified.records()[position].commitment,
                    rule: RULE.to_owned(),
                    time_ms: statement.time_ms,
                };
                word.sign(&self.withholding).expect("it signs")
            })
        })
    }
}

/// The files of a ledger.
pub(crate) fn ledger_files(ledger: &LedgerModel, keys: &EpochKeys) -> Files {
    let mut files = Files::new();
    for segment in &ledger.segments {
        let batches = ledger.batches[segment.batches.clone()].iter();
        let file = framed(batches.map(|batch| batch.bytes.as_slice()));
        files.insert(segment.file(), file.into());
        let head = ledger.head(segment.checkpoint.size, segment.checkpoint.root);
        files.insert(segment.note(), keys.note(&head, [true; 2]).into_bytes().into());
    }
    files
}

/// A `.seal` file with one frame for each batch, as the gateway writes them.
pub(crate) fn framed<'a>(batches: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut writer = SegmentWriter::new().expect("there is memory");
    for batch in batches {
        writer.push(batch).expect("a small frame");
    }
    writer.finish()
}

/// Seals a plan and says which files it makes.
pub(crate) fn lay_out(id: &LedgerId, keys: &EpochKeys, plan: Vec<BatchPlan>) -> LedgerModel {
    let batches = seal(id, keys, &plan);
    let mut segments = Vec::new();
    let mut start = 0;
    for (at, batch) in plan.iter().enumerate() {
        if batch.ends_file || at + 1 == plan.len() {
            segments.push(segment(id, &batches, start..at + 1));
            start = at + 1;
        }
    }
    let is_close = |entry: &Entry| matches!(entry, Entry::Close { .. });
    let closed = plan.iter().any(|batch| batch.entries.iter().any(is_close));
    LedgerModel { id: id.clone(), plan, batches, segments, closed }
}

/// The names of a file that holds these batches.
pub(crate) fn segment(id: &LedgerId, all: &[Batch], batches: std::ops::Range<usize>) -> Segment {
    let (first, last) = (&all[batches.start], &all[batches.end - 1]);
    let name = SealName {
        date: Date::of_unix_ms(first.time_ms),
        ledger: id.clone(),
        first: first.first,
        last: last.end - 1,
        root: last.root,
        revision: 0,
    };
    let checkpoint =
        CheckpointName { ledger: id.clone(), size: last.end, root: last.root, cosigned: false };
    Segment { name, batches, checkpoint }
}

// Six to nine batches some ten seconds apart, in four files at least.
fn plan(
    random: &mut Random,
    birth: &Birth<'_>,
    previous: Option<&Previous>,
    evidence: Hash,
) -> Vec<BatchPlan> {
    let count = 6 + index(random, 4);
    let gap_at = 1 + index(random, count - 2);
    let mut time_ms = birth.start_ms + 1_000;
    let mut batches = Vec::new();
    for at in 0..count {
        let mut entries = vec![Entry::Heartbeat];
        if at == 0 {
            entries.insert(0, Entry::Open { previous: previous.cloned(), evidence });
        }
        if at == gap_at {
            entries.push(Entry::Gap(1 + random.below(50)));
        }
        for _ in 0..index(random, 4) {
            entries.push(Entry::Said(random.letters(8)));
        }
        if birth.closes && at + 1 == count {
            entries.push(Entry::Close { lies: false });
        }
        // Of four files at least two have more than one batch.
        let ends_file = matches!(at, 1 | 3) || (at > 3 && random.once_in(2)) || at + 2 == count;
        batches.push(BatchPlan { time_ms, seed: random.bytes(), entries, ends_file });
        time_ms += 10_000 + random.below(5_000);
    }
    batches
}

/// A position below `bound`.
pub(crate) fn index(random: &mut Random, bound: usize) -> usize {
    usize::try_from(random.below(bound as u64)).unwrap_or(0)
}

/// 2026-05-26T00:00:00Z.
const MIDNIGHT_MS: u64 = 1_779_753_600_000;
