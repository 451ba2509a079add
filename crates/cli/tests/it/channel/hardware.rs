//! Epochs of TDX and SEV-SNP from end to end: a real enclave over the kernel's tree of reports,
//! whose machine is the test's; a gateway, a witness, a client and an auditor that name its root,
//! and none that believes it for any other reason.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use lucarne_testkit::{Guest, SnpMachine, TdxMachine, TsmFolder};

use super::*;
use crate::process::Process;
use crate::site::replace;

/// A byte of the measurement. Of digits alone it looks like a number that must not leave; that it
/// is a digest, the outer layer knows by the record that names it.
const MEASURED: &str = "11";

/// A machine, and whether it reports over other data than it is asked about.
struct Machine {
    hardware: Hardware,
    lies: bool,
}

enum Hardware {
    Tdx(Box<TdxMachine>),
    Snp(Box<SnpMachine>),
}

impl Hardware {
    const fn guest(&self) -> Guest {
        match self {
            Self::Tdx(_) => Guest::Tdx,
            Self::Snp(_) => Guest::Sev,
        }
    }

    /// What a policy says of it; its collateral is put beside the policy.
    fn policy(&self, folder: &Path) -> String {
        let measurement = MEASURED.repeat(48);
        match self {
            Self::Tdx(machine) => {
                std::fs::write(folder.join("tdx.json"), machine.bundle()).unwrap();
                std::fs::write(folder.join("own.crl"), machine.revocation_of_issuer()).unwrap();
                format!(
                    "tdx: {{ insecure_roots: [ \"{}\" ], \
                     measurements: [ {{ mrtd: \"{measurement}\" }} ] }}\n\
                     collateral: [ tdx.json ]\n",
                    machine.root_sha256()
                )
            }
            Self::Snp(machine) => {
                std::fs::write(folder.join("ark.crl"), machine.revocation_list()).unwrap();
                std::fs::write(folder.join("own.crl"), machine.revocation_of_issuer()).unwrap();
                format!(
                    "snp: {{ insecure_roots: [ \"{}\" ], products: [ genoa ], measurements: [ \
                     \"{measurement}\" ] }}\ncollateral: [ ark.crl ]\n",
                    machine.root_sha256()
                )
            }
        }
    }

    fn measure(&mut self, measurement: [u8; 48]) {
        match self {
            Self::Tdx(machine) => machine.mrtd = measurement,
            Self::Snp(machine) => machine.measurement = measurement,
        }
    }

    fn debug(&mut self, on: bool) {
        match self {
            Self::Tdx(machine) => machine.attributes[0] = u8::from(on),
            Self::Snp(machine) => machine.policy = 0x3_001f | u64::from(on) << 19,
        }
    }
}

impl Machine {
    fn report(&self, data: &[u8; 64]) -> (Vec<u8>, Vec<u8>) {
        let mut data = *data;
        data[63] ^= u8::from(self.lies);
        match &self.hardware {
            Hardware::Tdx(machine) => (machine.quote(&data), Vec::new()),
            Hardware::Snp(machine) => (machine.report(&data), machine.certificate_table()),
        }
    }
}

/// A site whose enclave runs in a guest. Processes go before what they use.
struct Guests {
    inside: Inside,
    _witness: Process,
    _tree: TsmFolder,
    machine: Arc<Mutex<Machine>>,
    witnesses: String,
    _dir: tempfile::TempDir,
}

impl Guests {
    fn start(mut hardware: Hardware) -> Self {
        hardware.measure([0x11; 48]);
        let dir = tempfile::Builder::new().prefix("lucarne-tsm-").tempdir().unwrap();
        let guest = hardware.guest();
        let machine = Arc::new(Mutex::new(Machine { hardware, lies: false }));
        let asked = Arc::clone(&machine);
        let reports = dir.path().join("report");
        std::fs::create_dir(&reports).unwrap();
        let tree = TsmFolder::mount(
            &reports,
            guest,
            Arc::new(move |data: &[u8; 64]| asked.lock().unwrap().report(data)),
        );
        let (mut witness, mut witnesses) = (None, String::new());
        let inside = Inside::start_with(|site| {
            let tee = "tee: { insecure_software: { dir: software } }";
            let instead = format!("tee: {{ tsm_reports: \"{}\" }}", reports.display());
            replace(&site.path("tee/enclave.yaml"), tee, &instead);
            let policy = site.path("audit-policy.yaml");
            std::fs::copy(&policy, site.path("software-policy.yaml")).unwrap();
            let accepts = machine.lock().unwrap().hardware.policy(&site.path(""));
            write_policy(site, "audit-policy.yaml", &accepts);
            let (process, words) = start_witness(site, dir.path());
            let block = words.replace('\n', "\n    ");
            append(&site.path("gateway.yaml"), &format!("witnesses:\n  text: |\n    {block}\n"));
            (witness, witnesses) = (Some(process), words);
        });
        let _witness = witness.unwrap();
        Self { inside, _witness, _tree: tree, machine, witnesses, _dir: dir }
    }

    /// Asks for fresh evidence under another policy.
    fn ask_under(&self, policy: &str) -> Output {
        let mut args: Vec<String> = vec!["query".into(), "attestation".into(), "--latest".into()];
        let connection = self.inside.connection("alice", self.inside.channel);
        args.extend(connection.into_iter().filter(|arg| !arg.starts_with("--policy=")));
        args.push(format!("--policy={}", self.inside.path(policy).display()));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        run(lucarne_program(), &args)
    }

    /// `audit verify` of the archive under a policy.
    fn audit(&self, policy: &str) -> (Option<i32>, String) {
        let (archive, policy) = (self.inside.path("archive"), self.inside.path(policy));
        let args = ["audit", "verify", "--records-dir", archive.to_str().unwrap(), "--policy"];
        let output = run(lucarne_program(), &[&args[..], &[policy.to_str().unwrap()]].concat());
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    }

    /// Boots the enclave on a machine that is changed, and waits for the gateway's word on it.
    #[track_caller]
    fn refused(&mut self, change: impl FnOnce(&mut Machine), class: &str, words: &str) {
        if let Some(mut good) = self.inside.site.enclave.take() {
            assert_eq!(good.stop("-TERM"), Some(0));
        }
        let before = self.inside.site.gateway.as_ref().unwrap().said().len();
        change(&mut self.machine.lock().unwrap());
        self.inside.site.start_enclave();
        let gateway = self.inside.site.gateway.as_ref().unwrap();
        until("the gateway refuses the boot", PATIENCE, || {
            gateway.said()[before..].contains(words).then_some(())
        });
        // It would wait for somebody to take its last records.
        self.inside.site.enclave.take().unwrap().stop("-KILL");
        let kept = std::fs::read_dir(self.inside.path("state/monitor")).unwrap();
        let kept: String =
            kept.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect();
        let last = kept.lines().last().unwrap_or_default();
        assert!(last.contains(&format!("\"class\":\"{class}\"")), "{class} in {last}");
    }
}

/// The policy of a site, which accepts this in place of its software TEE.
fn write_policy(site: &Site, name: &str, accepts: &str) {
    let written = std::fs::read_to_string(site.path("software-policy.yaml")).unwrap();
    let kept = written
        .lines()
        .filter(|line| !line.starts_with("insecure:") && !line.starts_with("measurements:"));
    let kept: String = kept.map(|line| format!("{line}\n")).collect();
    std::fs::write(site.path(name), kept + accepts).unwrap();
}

/// A witness that learns epochs from their evidence; and the quorum that is its word.
fn start_witness(site: &Site, dir: &Path) -> (Process, String) {
    let (address, config) = (free_port(), dir.join("witness.yaml"));
    let policy = site.path("audit-policy.yaml");
    let file = format!(
        "name: witness.example/w1\nstate: state\nkeys: {{ ed25519: key }}\n\
         http: {{ address: \"{address}\", prefix: /w1 }}\nepochs: {}\n",
        policy.display()
    );
    std::fs::write(&config, file).unwrap();
    let drawn =
        run(lucarne_program(), &["witness", "--config", config.to_str().unwrap(), "--new-key"]);
    let key = text(&drawn.stdout).trim().to_owned();
    let mut command = Command::new(lucarne_program());
    command.args(["witness", "--config"]).arg(&config);
    let process = Process::start(&mut command, &dir.join("log")).ready();
    (process, format!("witness w1 {key} http://{address}/w1\nquorum w1\n"))
}

/// What holds for an epoch of either kind.
fn an_epoch_is_accepted_and_audited(hardware: Hardware, kind: &str, register: &str) -> Guests {
    let guests = Guests::start(hardware);
    let mut load = guests.inside.site.send(&["--count", "20", "--batch", "20"]);
    assert_eq!(load.end(), Some(0), "{}", load.said());

    let shown = guests.ask_under("audit-policy.yaml");
    let said = text(&shown.stdout);
    assert_eq!(shown.status.code(), Some(5), "{}", text(&shown.stderr));
    assert!(said.lines().any(|line| line.starts_with("kind ") && line.ends_with(kind)), "{said}");
    let measured = said.lines().find_map(|line| line.strip_prefix(register)).unwrap();
    assert_eq!(measured.trim(), MEASURED.repeat(48));

    let accepts = guests.machine.lock().unwrap().hardware.policy(&guests.inside.path(""));
    let under = |name: &str, accepts: &str, words: &str| {
        write_policy(&guests.inside.site, name, accepts);
        let refused = guests.ask_under(name);
        let said = text(&refused.stderr);
        assert_eq!((refused.status.code(), text(&refused.stdout).as_str()), (Some(1), ""));
        assert!(said.contains("nothing was asked") && said.contains(words), "{words} in {said}");
    };
    under("revoked.yaml", &format!("{accepts}revocations: [ own.crl ]\n"), "revoked");
    under("other.yaml", &accepts.replace(&MEASURED.repeat(48), &"b2".repeat(48)), "measurement");
    let refused = guests.ask_under("software-policy.yaml");
    assert!(text(&refused.stderr).contains("accepts no evidence"), "{}", text(&refused.stderr));
    guests
}

/// What an auditor says once a quorum of witnesses has dated the evidence, and before.
fn the_auditor_needs_the_word_of_others(guests: &mut Guests) {
    let inside = &mut guests.inside;
    let cosigned = inside.path("archive/checkpoints");
    until("the last checkpoints are cosigned", PATIENCE, || {
        let mut last: BTreeMap<PathBuf, (String, bool)> = BTreeMap::new();
        for file in crate::tampering::files_below(&cosigned) {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            let newest = last.entry(file.parent().unwrap().to_owned()).or_default();
            let size = name[..20].to_owned();
            let seen = name.ends_with(".cosigned.note") || (newest.0 == size && newest.1);
            if size >= newest.0 {
                *newest = (size, seen);
            }
        }
        (last.len() == 2 && last.values().all(|(_, seen)| *seen)).then_some(())
    });
    assert_eq!(inside.site.stop(), [None, Some(0), Some(0)]);
    let (exit, said) = guests.audit("audit-policy.yaml");
    assert_eq!(exit, Some(2), "{said}");
    assert!(said.contains("shows when"), "{said}");
    let policy = guests.inside.path("audit-policy.yaml");
    let own = std::fs::read_to_string(&policy).unwrap();
    let block = guests.witnesses.replace('\n', "\n  ");
    append(&policy, &format!("witnesses: |\n  {block}\n"));
    let (exit, said) = guests.audit("audit-policy.yaml");
    assert_eq!(exit, Some(5), "{said}");
    let other = own.replace(&MEASURED.repeat(48), &"b2".repeat(48));
    let other = format!("{other}witnesses: |\n  {block}\n");
    std::fs::write(guests.inside.path("other-policy.yaml"), other).unwrap();
    let (exit, said) = guests.audit("other-policy.yaml");
    assert_eq!(exit, Some(1), "{said}");
    proof(guests);
}

/// One record for a stranger: proven where others date it, and not told where nobody does.
fn proof(guests: &Guests) {
    let (archive, policy) =
        (guests.inside.path("archive"), guests.inside.path("audit-policy.yaml"));
    let bundle = guests.inside.path("record.proof");
    let [archive, policy, bundle] = [&archive, &policy, &bundle].map(|path| path.to_str().unwrap());
    // The last one before a head that witnesses have seen: they need not see every head.
    let seen = crate::tampering::files_below(&guests.inside.path("archive/checkpoints"));
    let size = seen.iter().find_map(|file| {
        let is_audit = file.parent()?.ends_with("audit");
        let name = file.file_name()?.to_str().filter(|name| name.ends_with(".cosigned.note"))?;
        name[..20].parse::<u64>().ok().filter(|_| is_audit)
    });
    let record = (size.unwrap() - 1).to_string();
    let args =
        ["audit", "prove", &record, "--ledger", "audit", "--records-dir", archive, "--policy"];
    let made = run(lucarne_program(), &[&args[..], &[policy, "--bundle", bundle]].concat());
    assert_eq!(made.status.code(), Some(5), "{}", text(&made.stderr));
    let check = |policy: &str| {
        let args = ["audit", "check-proof", bundle, "--policy", policy];
        let output = run(lucarne_program(), &args);
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    let (exit, said) = check(policy);
    assert_eq!(exit, Some(5), "{said}");
    let text = std::fs::read_to_string(policy).unwrap();
    let alone = guests.inside.path("alone.yaml");
    std::fs::write(&alone, &text[..text.find("witnesses: |").unwrap()]).unwrap();
    let (exit, said) = check(alone.to_str().unwrap());
    assert_eq!(exit, Some(2), "{said}");
}

#[test]
fn an_epoch_of_a_td_from_end_to_end() {
    let machine = Hardware::Tdx(Box::new(TdxMachine::new()));
    let mut guests = an_epoch_is_accepted_and_audited(machine, "tdx", "MRTD ");
    verified_from_a_file(&guests);
    guests.refused(|it| it.lies = true, "replay", "the quote is about other report data");
    guests.refused(
        |it| {
            it.lies = false;
            it.hardware.debug(true);
        },
        "debug-mode",
        "the TD runs in debug mode",
    );
    guests.refused(
        |it| {
            it.hardware.debug(false);
            it.hardware.measure([9; 48]);
        },
        "modified-code",
        "the measurement is not one of the policy",
    );
    guests.refused(
        |it| it.hardware = Hardware::Tdx(Box::new(TdxMachine::new())),
        "untrusted",
        "is not one that the policy trusts",
    );
    the_auditor_needs_the_word_of_others(&mut guests);
}

#[test]
fn an_epoch_of_an_snp_guest_from_end_to_end() {
    let machine = Hardware::Snp(Box::new(SnpMachine::new()));
    let mut guests = an_epoch_is_accepted_and_audited(machine, "snp", "MEASUREMENT ");
    verified_from_a_file(&guests);
    guests.refused(|it| it.lies = true, "replay", "report data is not what was asked for");
    guests.refused(
        |it| {
            it.lies = false;
            it.hardware.debug(true);
        },
        "debug-mode",
        "debug",
    );
    guests.refused(
        |it| {
            it.hardware.debug(false);
            it.hardware.measure([9; 48]);
        },
        "modified-code",
        "is not an accepted one",
    );
    guests.refused(
        |it| it.hardware = Hardware::Snp(Box::new(SnpMachine::new())),
        "untrusted",
        "is not one of AMD's",
    );
    the_auditor_needs_the_word_of_others(&mut guests);
}

/// `attest verify` by the same policy file, with its roots, its collateral and its revocations.
fn verified_from_a_file(guests: &Guests) {
    let path = |name: &str| guests.inside.path(name).display().to_string();
    let evidence = format!("--evidence={}", path("fresh.bin"));
    let asked =
        guests.inside.ask("alice", guests.inside.channel, &["attestation", "--latest", &evidence]);
    assert_eq!(asked.status.code(), Some(5), "{}", text(&asked.stderr));
    let verify = |policy: &str| {
        let args = ["attest", "verify", &path("fresh.bin"), "--policy", &path(policy)];
        let output = run(lucarne_program(), &args);
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    let (exit, said) = verify("audit-policy.yaml");
    // A report's certificates come beside it, and only the list is in the policy's files.
    match guests.machine.lock().unwrap().hardware {
        Hardware::Tdx(_) => assert_eq!(exit, Some(5), "{said}"),
        Hardware::Snp(_) => assert_eq!(exit, Some(2), "{said}"),
    }
    if let Hardware::Snp(machine) = &guests.machine.lock().unwrap().hardware {
        std::fs::write(path("table.bin"), machine.certificate_table()).unwrap();
        for policy in ["audit-policy.yaml", "revoked.yaml"] {
            replace(path(policy).as_ref(), "[ ark.crl ]", "[ ark.crl, table.bin ]");
        }
    }
    assert_eq!(verify("audit-policy.yaml").0, Some(5));
    let (exit, said) = verify("revoked.yaml");
    assert_eq!(exit, Some(1), "{said}");
    assert!(said.contains("revoked"), "{said}");
}
