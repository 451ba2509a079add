//! Evidence of the attested channel, judged by the verifier that clients use: it is good for one
//! end of one connection, one nonce and one epoch, even in the hands of who has stolen the
//! channel's key.

use lucarne_attest::{
    DebugMode, EpochKeys, Fingerprint, Measurements, Policy, Rejected, Root, Time, Verified, When,
    verify_channel,
};
use lucarne_enclave::clock::{Clock as _, SystemClock};
use lucarne_enclave::quote::{Question, Quote as _};
use lucarne_enclave::software::{Machine, SoftwareTee};
use lucarne_ledger::binding::EpochBinding;
use lucarne_ledger::report_data::{ChannelEnd, ReportData};

const END: ChannelEnd<'static> = ChannelEnd {
    version: 1,
    role: "enclave",
    client_nonce: &[1; 32],
    leaf_spki_sha256: &[2; 32],
    exporter: &[3; 32],
};

fn binding() -> EpochBinding {
    EpochBinding {
        p256_spki: vec![1; 91],
        ed25519: [2; 32],
        mldsa44: None,
        channel_spki: Some(vec![4; 91]),
        instance: "nitro-001-us-east".parse().unwrap(),
        nonce: [5; 32],
        configuration_sha256: [6; 32],
        contract_sha256: [7; 32],
        deployment: None,
    }
}

#[test]
fn evidence_is_for_one_end_of_one_connection() {
    let directory = tempfile::tempdir().unwrap();
    let machine = Machine { module_id: "m".into(), executable_sha384: [5; 48] };
    let tee = SoftwareTee::open_or_mint(directory.path(), machine, SystemClock).unwrap();
    let policy = Policy {
        roots: vec![Root::insecure_software(Fingerprint(tee.root_fingerprint().0))],
        measurements: Measurements::DangerAny,
        debug: DebugMode::Refuse,
    };
    let evidence = |binding: &EpochBinding, end: &ChannelEnd<'_>, key: &[u8]| {
        let report_data = &ReportData::channel(binding, end);
        let question = Question { report_data, public_key: key, nonce: end.client_nonce };
        tee.quote(&question).unwrap().evidence
    };
    let judged = |evidence: &[u8]| {
        let when = When::Live { now: Time::from_unix_ms(SystemClock.now_ms()), age_max_ms: 60_000 };
        verify_channel(evidence, &binding(), &policy, when, &END)
            .map(Verified::<EpochKeys>::into_inner)
    };
    let spki = binding().p256_spki;
    let good = judged(&evidence(&binding(), &END, &spki)).unwrap();
    assert_eq!((good.epoch, good.insecure()), (binding().epoch_id(), true));
    for other in [
        ChannelEnd { version: 2, ..END },
        ChannelEnd { role: "client", ..END },
        ChannelEnd { leaf_spki_sha256: &[9; 32], ..END },
        ChannelEnd { exporter: &[9; 32], ..END },
    ] {
        let found = judged(&evidence(&binding(), &other, &spki));
        assert_eq!(found, Err(Rejected::BindingDiffers), "{other:?}");
    }
    let replayed = ChannelEnd { client_nonce: &[9; 32], ..END };
    assert_eq!(judged(&evidence(&binding(), &replayed, &spki)), Err(Rejected::NonceDiffers));
    let later = EpochBinding { nonce: [9; 32], ..binding() };
    assert_eq!(judged(&evidence(&later, &END, &spki)), Err(Rejected::BindingDiffers));
    let keyless = judged(&evidence(&binding(), &END, &[9; 91]));
    assert_eq!(keyless, Err(Rejected::PublicKeyDiffers));
}
