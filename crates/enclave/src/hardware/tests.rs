//! Which source a machine gets, and what the sources ask of their devices.

use std::sync::Mutex;

use lucarne_ledger::binding::EpochBinding;
use lucarne_link::message::Fault;
use lucarne_platform::Errno;

use super::*;

/// A module that answers with zeros of the right shape, and keeps the last request.
#[derive(Default)]
struct Module {
    last: Mutex<Vec<u8>>,
    broken: bool,
}

impl NsmDevice for &'static Module {
    fn exchange(&self, request: &[u8]) -> Result<Vec<u8>, Errno> {
        *self.last.lock().unwrap() = request.to_vec();
        if request.starts_with(b"\xa1\x6bDescribePCR") {
            let head = &b"\xa1\x6bDescribePCR\xa2\x64lock\xf5\x64data\x58\x30"[..];
            return Ok([head, &[4; 48]].concat());
        }
        if self.broken {
            return Err(Errno::EIO);
        }
        Ok(b"\xa1\x6bAttestation\xa1\x68document\x43doc".to_vec())
    }
}

fn module(broken: bool) -> &'static Module {
    Box::leak(Box::new(Module { broken, ..Module::default() }))
}

/// A guest whose report is its question, at the place where `measurement` looks, and padding.
struct Guest {
    provider: &'static str,
    report: Vec<u8>,
    writes: Mutex<u64>,
    asked: Mutex<Vec<u8>>,
}

impl TsmTree for &'static Guest {
    fn create(&self, _: &str) -> Result<(), Errno> {
        *self.writes.lock().unwrap() = 0;
        Ok(())
    }

    fn write(&self, _: &str, attribute: &str, bytes: &[u8]) -> Result<(), Errno> {
        assert_eq!(attribute, "inblob");
        *self.writes.lock().unwrap() += 1;
        *self.asked.lock().unwrap() = bytes.to_vec();
        Ok(())
    }

    fn read(&self, _: &str, attribute: &str, _: usize) -> Result<Vec<u8>, Errno> {
        match attribute {
            "generation" => Ok(format!("{}\n", self.writes.lock().unwrap()).into_bytes()),
            "provider" => Ok(self.provider.as_bytes().to_vec()),
            "outblob" => Ok(self.report.clone()),
            "auxblob" => Ok(b"chain".to_vec()),
            _ => Err(Errno::ENOENT),
        }
    }

    fn remove(&self, _: &str) -> Result<(), Errno> {
        Ok(())
    }
}

fn guest(provider: &'static str, report: Vec<u8>) -> &'static Guest {
    let (writes, asked) = (Mutex::default(), Mutex::default());
    Box::leak(Box::new(Guest { provider, report, writes, asked }))
}

fn config(tee: &str) -> (tempfile::TempDir, Config) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("enclave.yaml");
    let text = format!(
        "instance: a\nlog_prefix: example.com\n{tee}otlp: {{ grpc: \"127.0.0.1:0\", \
         http: \"127.0.0.1:0\" }}\nuplink: {{ address: \"unix:/u\", acknowledgement_key: \
         \"{}\" }}\n",
        "ab".repeat(32)
    );
    std::fs::write(&file, text).unwrap();
    let config = Config::load(&file).unwrap();
    (directory, config)
}

const SOFTWARE: &str = "tee: { insecure_software: { dir: tee } }\n";

/// What is chosen where these devices are there.
fn chosen(tee: &str, nsm: bool, tsm: Option<&'static str>) -> Result<&'static str, SourceError> {
    let (_directory, config) = config(tee);
    let nsm = || Ok(nsm.then(|| Nsm::over(module(false))));
    let tsm = || tsm.map(|provider| Tsm::over(guest(provider, vec![0; 1_184]))).transpose();
    choose_from(&config, nsm, tsm).map(|source| source.kind())
}

#[test]
fn a_machine_gets_what_it_has_and_software_only_by_name() {
    assert_eq!(chosen("", true, None).unwrap(), "nitro");
    assert_eq!(chosen("", true, Some("tdx_guest")).unwrap(), "nitro");
    assert_eq!(chosen("", false, Some("tdx_guest")).unwrap(), "tdx");
    assert_eq!(chosen("", false, Some("sev_guest")).unwrap(), "snp");
    assert_eq!(chosen(SOFTWARE, true, Some("sev_guest")).unwrap(), "software (INSECURE)");
    assert_eq!(chosen(SOFTWARE, false, None).unwrap(), "software (INSECURE)");
}

#[test]
fn a_machine_without_a_device_is_refused_and_the_text_says_what_to_do() {
    let refused = chosen("", false, None).unwrap_err();
    assert!(matches!(refused, SourceError::None));
    let text = refused.to_string();
    for part in ["/dev/nsm", "/sys/kernel/config/tsm/report", "tee.insecure_software"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let (_directory, config) = config("");
    let root = software(&config).map(|_| ()).unwrap_err();
    assert!(matches!(root, SourceError::NotSoftware));
}

/// A device that is there and broken is told, not passed over for the next.
#[test]
fn a_device_that_cannot_be_used_is_an_error() {
    let (_directory, config) = config("");
    let shut = || Err(NsmError::Open(Errno::EACCES));
    let tsm = || Ok(None::<Tsm>);
    let refused = choose_from(&config, shut as fn() -> Result<Option<Nsm>, _>, tsm);
    let text = refused.map(|_| ()).unwrap_err().to_string();
    assert_eq!(text, "evidence device: cannot open /dev/nsm: Permission denied");
    let unknown = chosen("", false, Some("cca")).unwrap_err();
    assert!(matches!(unknown, SourceError::Tsm(TsmError::Provider)));
}

/// This machine has neither device, or the choice would not be what the test says.
#[test]
fn the_devices_of_this_machine_are_looked_for() {
    let (_directory, config) = config("");
    if Path::new("/dev/nsm").exists() || Path::new("/sys/kernel/config/tsm").exists() {
        return;
    }
    let refused = choose(&config).map(|source| source.kind()).unwrap_err();
    assert!(matches!(refused, SourceError::None));
}

fn binding() -> EpochBinding {
    EpochBinding {
        p256_spki: vec![1; 91],
        ed25519: [2; 32],
        mldsa44: None,
        channel_spki: None,
        instance: "a".parse().unwrap(),
        nonce: [5; 32],
        configuration_sha256: [6; 32],
        contract_sha256: [7; 32],
        deployment: None,
    }
}

#[test]
fn each_source_is_asked_for_the_report_data_and_nothing_else() {
    let report_data = ReportData::epoch(&binding());
    let question = Question { report_data: &report_data, public_key: &[1; 91], nonce: &[5; 32] };
    let device = module(false);
    let tee = NitroTee::over(Nsm::over(device)).unwrap();
    let measurement = [4; 48];
    let expected = Quoted { evidence: b"doc".to_vec(), collateral: vec![], measurement };
    assert_eq!(tee.quote(&question), Ok(expected));
    let asked = device.last.lock().unwrap().clone();
    let parts = [report_data.as_bytes().as_slice(), &[1; 91], &[5; 32]];
    for part in parts {
        assert!(asked.windows(part.len()).any(|window| window == part), "{part:?}");
    }

    for (provider, version, at) in
        [("sev_guest", 2, 0x90), ("tdx_guest", 4, 184), ("tdx_guest", 5, 190)]
    {
        let mut report = vec![0; 1_184];
        report[0] = version;
        report[at..at + 48].fill(8);
        let device = guest(provider, report.clone());
        let quoted = GuestTee(Tsm::over(device).unwrap()).quote(&question).unwrap();
        let measurement = [8; 48];
        let collateral = b"chain".to_vec();
        assert_eq!(quoted, Quoted { evidence: report, collateral, measurement });
        assert_eq!(*device.asked.lock().unwrap(), report_data.as_bytes());
    }
    let short = GuestTee(Tsm::over(guest("sev_guest", vec![0; 100])).unwrap());
    assert_eq!(short.quote(&question), Err(QuoteError::Short { got: 100 }));
}

#[test]
fn a_broken_device_is_a_fault_of_the_device() {
    let report_data = ReportData::epoch(&binding());
    let question = Question { report_data: &report_data, public_key: &[1; 91], nonce: &[5; 32] };
    let broken = NitroTee::over(Nsm::over(module(true))).unwrap();
    let error = broken.quote(&question).unwrap_err();
    assert_eq!(error, QuoteError::Nsm(NsmError::Exchange(Errno::EIO)));
    assert_eq!((error.fault(), QuoteError::TimedOut.fault()), (Fault::Device, Fault::TimedOut));
    assert_eq!(QuoteError::Signing.fault(), Fault::Own);
}
