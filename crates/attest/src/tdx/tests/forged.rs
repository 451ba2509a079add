//! Forgeries: each breaks one rule of form, signature, time or of the TD, and is refused for that.

use super::forge::*;
use super::*;
use crate::register::Register;

/// What the verdict on a forgery is, under its own root.
pub(super) fn verdict(forge: &mut Forge) -> Result<Claims, Rejected> {
    let Made { quote, collateral, root } = forge.make();
    let expect = Expect::ReportData([0x64; 64]);
    verify(&quote, &collateral, &trusting(root), NOW, expect).map(Verified::into_inner)
}

/// Changes a good forgery and compares the verdict.
#[track_caller]
pub(super) fn refused(change: impl Fn(&mut Forge), want: Rejected) {
    let mut forge = Forge::new();
    change(&mut forge);
    assert_eq!(verdict(&mut forge), Err(want));
}

fn draft<'a>(forge: &'a mut Forge, name: &str) -> &'a mut Draft {
    forge.certificates.get_mut(name).unwrap()
}

#[test]
fn an_untouched_forgery_is_believed_under_its_own_root_alone() {
    let mut forge = Forge::new();
    let Made { quote, collateral, root } = forge.make();
    let expect = Expect::ReportData([0x64; 64]);
    let claims = verify(&quote, &collateral, &trusting(root), NOW, expect).unwrap();
    let mut rtmr = [5_u8, 6, 7, 8].map(|fill| Register([fill; 48]));
    assert_eq!(claims.rtmr, rtmr);
    rtmr.reverse();
    let register = |fill| Register([fill; 48]);
    let tcb = Tcb {
        status: TcbStatus::UpToDate,
        date: Time::from_unix_ms(1_767_225_600_000),
        advisories: ["INTEL-SA-00005", "INTEL-SA-10005"].map(Into::into).into(),
        short: vec![],
    };
    let platform = Platform {
        ppid: [7; 16],
        sgx_svns: [5; 16],
        pce_svn: 10,
        pce_id: [0, 0],
        fmspc: FMSPC,
        dynamic_platform: Some(false),
        cached_keys: Some(false),
        smt: Some(false),
    };
    let want = Claims {
        root,
        version: 4,
        identity: Hash::of(&quote[..632]),
        judged_at: NOW,
        holds_until: Time::from_unix_ms(1_781_827_200_000),
        holds_until_by: Source::TcbInfo,
        mr_td: register(1),
        rtmr: [5, 6, 7, 8].map(register),
        mr_config_id: register(2),
        mr_owner: register(3),
        mr_owner_config: register(4),
        mr_seam: Register::ZERO,
        mr_signer_seam: Register::ZERO,
        mr_service_td: None,
        td_attributes: 0x1000_0000,
        xfam: 0x6_02e7,
        report_data: [0x64; 64],
        tcb,
        tcb_now: None,
        platform,
        evaluation_number: 17,
    };
    assert_eq!(claims.into_inner(), want);

    let intel = verify(&quote, &collateral, &trusting(INTEL_SGX_ROOT), NOW, expect);
    assert_eq!(intel, Err(Rejected::RootUnknown { got: root }));
}

#[test]
fn the_header_is_that_of_a_td() {
    refused(|forge| forge.header[0] = 3, Rejected::Version { got: 3 });
    refused(|forge| forge.header[0] = 6, Rejected::Version { got: 6 });
    refused(|forge| forge.header[2] = 3, Rejected::KeyType { got: 3 });
    refused(|forge| forge.header[4] = 0, Rejected::TeeType { got: 0 });
    let mut got = [0; 16];
    got.copy_from_slice(&Forge::new().header[12..28]);
    got[0] ^= 1;
    refused(|forge| forge.header[12] ^= 1, Rejected::Vendor { got });
}

#[test]
fn the_body_of_version_5_is_a_report_on_a_td_of_its_size() {
    let of = |descriptor: [u8; 6]| {
        let mut forge = Forge::of_version_5();
        forge.descriptor = descriptor.to_vec();
        verdict(&mut forge).map(|claims| claims.version)
    };
    assert_eq!(of([3, 0, 0x88, 2, 0, 0]), Ok(5));
    // 1 is an SGX enclave.
    assert_eq!(of([1, 0, 0x88, 2, 0, 0]), Err(Rejected::BodyType { got: 1 }));
    assert_eq!(of([3, 0, 0x48, 2, 0, 0]), Err(Rejected::BodySize { kind: 3, got: 584 }));
    assert_eq!(of([2, 0, 0x88, 2, 0, 0]), Err(Rejected::BodySize { kind: 2, got: 648 }));
    let mut shorter = Forge::new();
    shorter.header[0] = 5;
    shorter.descriptor = vec![2, 0, 0x48, 2, 0, 0];
    let claims = verdict(&mut shorter).unwrap();
    assert_eq!((claims.version, claims.mr_service_td, claims.tcb_now), (5, None, None));
}

#[test]
fn the_signature_data_is_what_it_says_it_is() {
    let certification = |got, want| Rejected::CertificationType { got, want };
    refused(|forge| forge.certification[0] = 5, certification(5, 6));
    refused(|forge| forge.certification[1] = 1, certification(1, 5));
    refused(|forge| forge.qe_auth = vec![0; 65], Rejected::AuthTooLong { got: 65 });
    let mut longest = Forge::new();
    longest.qe_auth = vec![0; 64];
    assert_eq!(verdict(&mut longest).map(|claims| claims.version), Ok(4));

    let count = |got| Rejected::CertificateCount { place: Place::Pck, got, want: 3 };
    refused(|forge| forge.chain = vec!["pck", "issuer"], count(2));
    refused(|forge| forge.chain = vec!["pck", "issuer", "root", "root"], count(4));

    let Made { quote, collateral, root } = Forge::new().make();
    let judge = |bytes: &[u8]| {
        verify(bytes, &collateral, &trusting(root), NOW, Expect::AnyReportData).map(|_| ())
    };
    assert_eq!(judge(&quote), Ok(()));
    // One byte more within the signature data, and within the certification data.
    let grow = |at: usize| {
        let mut bytes = quote.clone();
        bytes[at] += 1;
        bytes
    };
    let outer = [&grow(632)[..], &[0]].concat();
    assert_eq!(judge(&outer), Err(Rejected::Surplus { part: Part::Signature, got: 1 }));
    let mut inner = outer;
    inner[766] += 1;
    assert_eq!(judge(&inner), Err(Rejected::Surplus { part: Part::Certification, got: 1 }));
    let long = vec![0; 16 * 1024 + 1];
    assert_eq!(judge(&long), Err(Rejected::TooLong { got: 16 * 1024 + 1 }));
    assert_eq!(judge(&[]), Err(Rejected::Truncated { part: Part::Header }));
    assert_eq!(judge(&quote[..48]), Err(Rejected::Truncated { part: Part::Body }));
    assert_eq!(judge(&quote[..640]), Err(Rejected::Truncated { part: Part::Signature }));
}

#[test]
fn every_signature_is_by_whom_it_has_to_be() {
    let by = |what: &'static str, want: Rejected| {
        refused(
            |forge| {
                forge.keys.insert("another", Key::new());
                forge.signed_by.insert(what, "another");
            },
            want,
        );
    };
    by("quote", Rejected::Signature);
    by("qe_report", Rejected::QeSignature);
    by("pck", Rejected::CertificateSignature { place: Place::Pck });
    by("issuer", Rejected::CertificateSignature { place: Place::PckIssuer });
    by("signer", Rejected::CertificateSignature { place: Place::TcbInfoSigner });
    by("info", Rejected::CollateralSignature { source: Source::TcbInfo });
    by("qe", Rejected::CollateralSignature { source: Source::QeIdentity });
    by("root_crl", Rejected::CollateralSignature { source: Source::RootCrl });
    by("pck_crl", Rejected::CollateralSignature { source: Source::PckCrl });
}

#[test]
fn the_quoting_enclave_binds_the_attestation_key_and_nothing_else() {
    let other = |forge: &mut Forge| set(&mut forge.qe_report, QE_REPORT_DATA, &[1]);
    refused(other, Rejected::QeBinding);
    let mut forge = Forge::new();
    forge.make();
    forge.qe_report[383] = 1;
    assert_eq!(verdict(&mut forge), Err(Rejected::QeBinding));
    let mut forge = Forge::new();
    forge.make();
    forge.qe_auth[0] ^= 1;
    assert_eq!(verdict(&mut forge), Err(Rejected::QeBinding));
}

#[test]
fn certificates_stand_in_their_places() {
    let fault = |place, fault| Rejected::Certificate { place, fault };
    let name = CertificateFault::Name;
    for (which, place) in [
        ("root", Place::Root),
        ("issuer", Place::PckIssuer),
        ("pck", Place::Pck),
        ("signer", Place::TcbInfoSigner),
    ] {
        refused(|forge| draft(forge, which).subject = "Another", fault(place, name));
        refused(|forge| draft(forge, which).version = 1, fault(place, CertificateFault::Version));
        refused(
            |forge| draft(forge, which).usage = extension(USAGE, true, &[3, 2, 5, 0x20]),
            fault(place, CertificateFault::KeyUsage),
        );
        refused(
            |forge| {
                let loose = extension(CONSTRAINTS, false, NO_ISSUER);
                draft(forge, which).constraints = loose;
            },
            fault(place, CertificateFault::Constraints),
        );
        refused(
            |forge| {
                let usage = draft(forge, which).usage.clone();
                draft(forge, which).extensions.push(usage);
            },
            fault(place, CertificateFault::DuplicateExtension),
        );
        refused(
            |forge| *draft(forge, which).algorithm.last_mut().unwrap() = 3,
            fault(place, CertificateFault::SignatureAlgorithm),
        );
        refused(
            |forge| *draft(forge, which).curve.last_mut().unwrap() = 8,
            fault(place, CertificateFault::Key),
        );
        refused(
            |forge| draft(forge, which).validity[0] = "200230000000Z",
            fault(place, CertificateFault::Time),
        );
    }
    let issuer = |forge: &mut Forge| {
        draft(forge, "pck").constraints = extension(CONSTRAINTS, true, ISSUER);
    };
    refused(issuer, fault(Place::Pck, CertificateFault::IssuerAsLeaf));
    let none = |forge: &mut Forge| {
        draft(forge, "issuer").constraints = extension(CONSTRAINTS, true, NO_ISSUER);
    };
    refused(none, fault(Place::PckIssuer, CertificateFault::NotAnIssuer));
    let order = |place| Rejected::ChainOrder { place };
    refused(|forge| draft(forge, "pck").issuer = "Intel SGX Root CA", order(Place::Pck));
    refused(|forge| draft(forge, "signer").issuer = "Another", order(Place::TcbInfoSigner));
    // Nobody here knows what it means, so nobody may pass over it.
    let critical = extension(&[0x2a, 3, 4], true, &[5, 0]);
    refused(
        |forge| draft(forge, "pck").extensions.push(critical.clone()),
        Rejected::Path { place: Place::Pck },
    );
}

#[test]
fn everything_holds_at_the_time_it_is_judged_at() {
    let at = NOW;
    let (early, late) = (["260602000000Z", "491231235959Z"], ["200101000000Z", "260531000000Z"]);
    let from = Time::from_unix_ms(1_780_358_400_000);
    let until = Time::from_unix_ms(1_780_185_600_000);
    for (which, place) in [
        ("root", Place::Root),
        ("issuer", Place::PckIssuer),
        ("pck", Place::Pck),
        ("signer", Place::TcbInfoSigner),
    ] {
        let source = Source::Certificate(place);
        let soon = Rejected::NotYetValid { source, from, at };
        refused(|forge| draft(forge, which).validity = early, soon);
        let over = Rejected::Expired { source, until, at };
        refused(|forge| draft(forge, which).validity = late, over);
    }
    let source = Source::RootCrl;
    refused(|f| f.root_crl.validity = early, Rejected::NotYetValid { source, from, at });
    refused(|f| f.root_crl.validity = late, Rejected::Expired { source, until, at });
    let source = Source::PckCrl;
    refused(|f| f.pck_crl.validity = early, Rejected::NotYetValid { source, from, at });
    refused(|f| f.pck_crl.validity = late, Rejected::Expired { source, until, at });
    let source = Source::TcbInfo;
    let (soon, over) = ("2026-06-02T00:00:00Z", "2026-05-31T00:00:00Z");
    refused(|f| f.info["issueDate"] = soon.into(), Rejected::NotYetValid { source, from, at });
    refused(|f| f.info["nextUpdate"] = over.into(), Rejected::Expired { source, until, at });
    let source = Source::QeIdentity;
    refused(|f| f.qe["issueDate"] = soon.into(), Rejected::NotYetValid { source, from, at });
    refused(|f| f.qe["nextUpdate"] = over.into(), Rejected::Expired { source, until, at });
    // Both ends belong to it.
    for end in ["issueDate", "nextUpdate"] {
        let mut forge = Forge::new();
        forge.info[end] = "2026-06-01T00:00:00Z".into();
        assert_eq!(verdict(&mut forge).map(|claims| claims.judged_at), Ok(NOW));
    }
}

#[test]
fn the_verdict_holds_until_the_first_piece_ends() {
    let mut forge = Forge::new();
    forge.pck_crl.validity[1] = "260603000000Z";
    let claims = verdict(&mut forge).unwrap();
    let until = Time::from_unix_ms(1_780_444_800_000);
    assert_eq!((claims.holds_until, claims.holds_until_by), (until, Source::PckCrl));
    draft(&mut forge, "pck").validity[1] = "260602000000Z";
    let claims = verdict(&mut forge).unwrap();
    assert_eq!(claims.holds_until_by, Source::Certificate(Place::Pck));
}

#[test]
fn revoked_certificates_are_refused() {
    let revoked = |place| Rejected::CertificateRevoked { place };
    refused(|forge| forge.root_crl.serials.push(1), revoked(Place::Root));
    refused(|forge| forge.root_crl.serials.push(2), revoked(Place::PckIssuer));
    refused(|forge| forge.root_crl.serials.push(4), revoked(Place::TcbInfoSigner));
    refused(|forge| forge.pck_crl.serials.push(3), revoked(Place::Pck));
    // Serials are numbered by each issuer for itself.
    let mut forge = Forge::new();
    forge.pck_crl.serials.extend([1, 2, 4]);
    forge.root_crl.serials.push(3);
    assert_eq!(verdict(&mut forge).map(|claims| claims.version), Ok(4));
}

#[test]
fn revocation_lists_are_whole_and_of_their_issuer() {
    let (root, pck) = (Source::RootCrl, Source::PckCrl);
    let issuer = |source| Rejected::RevocationListIssuer { source };
    refused(|forge| forge.pck_crl.issuer = "Intel SGX PCK Processor CA", issuer(pck));
    refused(|forge| forge.root_crl.issuer = "Another", issuer(root));
    let fault = |source, fault| Rejected::RevocationList { source, fault };
    refused(|forge| forge.root_crl.version = 0, fault(root, CertificateFault::Version));
    // A delta names only what changed (RFC 5280 §5.2.4).
    let delta = extension(&[0x55, 0x1d, 27], true, &[2, 1, 1]);
    let critical = CertificateFault::CriticalExtension;
    refused(|forge| forge.pck_crl.extensions.push(delta.clone()), fault(pck, critical));
    let der = fault(pck, CertificateFault::Der);
    refused(|forge| forge.pck_crl.extensions.clear(), der);
}

#[test]
fn a_td_is_closed_to_its_host() {
    let attributes =
        |bytes: [u8; 8]| move |forge: &mut Forge| set(&mut forge.body, TD_ATTRIBUTES, &bytes);
    refused(attributes([1, 0, 0, 0x10, 0, 0, 0, 0]), Rejected::DebugMode);
    refused(attributes([4, 0, 0, 0x10, 0, 0, 0, 0]), Rejected::Untrusted { bits: 4 });
    let reserved = |bits| Rejected::AttributesReserved { bits };
    refused(attributes([0, 1, 0, 0x10, 0, 0, 0, 0]), reserved(0x100));
    refused(attributes([0, 0, 0, 0x10, 0, 0, 0, 0x40]), reserved(1 << 62));
    refused(attributes([0; 8]), Rejected::SeptVe);
    refused(attributes([0, 0, 0, 0x30, 0, 0, 0, 0]), Rejected::Migratable);
    refused(attributes([0, 0, 0, 0x10, 0, 0, 0, 0x80]), Rejected::Perfmon);
    let xfam = |bytes: [u8; 8]| move |forge: &mut Forge| set(&mut forge.body, XFAM, &bytes);
    refused(xfam([0xe5, 2, 6, 0, 0, 0, 0, 0]), Rejected::Xfam { got: 0x6_02e5 });
    refused(xfam([0xf7, 2, 6, 0, 0, 0, 0, 0]), Rejected::Xfam { got: 0x6_02f7 });
    refused(xfam([0xe7, 2, 6, 0, 0, 0, 0, 1]), Rejected::Xfam { got: 0x0100_0000_0006_02e7 });

    let mut migrated = Forge::of_version_5();
    set(&mut migrated.body, MR_SERVICE_TD, &[9; 48]);
    assert_eq!(verdict(&mut migrated), Err(Rejected::ServiceTd { got: Register([9; 48]) }));
}

#[test]
fn a_policy_can_permit_what_is_refused_by_default() {
    let mut forge = Forge::of_version_5();
    set(&mut forge.body, MR_SERVICE_TD, &[9; 48]);
    set(&mut forge.body, TD_ATTRIBUTES, &[0, 0, 0, 0x10, 0, 0, 0, 0x80]);
    let flags = entries_of([5; 16], 10, Some([true; 3]));
    draft(&mut forge, "pck").extensions = vec![described(&flags)];
    let Made { quote, collateral, root } = forge.make();
    let judge = |policy: &Policy| {
        verify(&quote, &collateral, policy, NOW, Expect::AnyReportData).map(|claims| claims.version)
    };
    let mut policy = trusting(root);
    assert_eq!(judge(&policy), Err(Rejected::Perfmon));
    policy.perfmon = Permit::Allow;
    assert_eq!(judge(&policy), Err(Rejected::ServiceTd { got: Register([9; 48]) }));
    policy.service_td = Permit::Allow;
    let flag = |flag| Err(Rejected::PlatformFlag { flag });
    assert_eq!(judge(&policy), flag(PlatformFlag::DynamicPlatform));
    policy.dynamic_platform = Permit::Allow;
    assert_eq!(judge(&policy), flag(PlatformFlag::CachedKeys));
    policy.cached_keys = Permit::Allow;
    assert_eq!(judge(&policy), flag(PlatformFlag::Smt));
    policy.smt = Permit::Allow;
    assert_eq!(judge(&policy), Ok(5));
}

#[test]
fn measurements_and_report_data_are_those_asked_for() {
    let Made { quote, collateral, root } = Forge::new().make();
    let register = |fill| Register([fill; 48]);
    let measurement = |registers: &[(RegisterName, Register)]| {
        Measurement::new(registers.iter().copied().collect())
    };
    let good = measurement(&[
        (RegisterName::MrTd, register(1)),
        (RegisterName::Rtmr3, register(8)),
        (RegisterName::MrOwnerConfig, register(4)),
        (RegisterName::MrSeam, Register::ZERO),
    ]);
    let off = measurement(&[(RegisterName::MrTd, register(1)), (RegisterName::Rtmr1, register(9))]);
    let far = measurement(&[(RegisterName::MrTd, register(9)), (RegisterName::Rtmr1, register(9))]);
    let judge = |list: Vec<Measurement>, expect| {
        let policy = Policy::strict(vec![root], Measurements::OneOf(list));
        verify(&quote, &collateral, &policy, NOW, expect).map(|claims| claims.mr_td)
    };
    let [good, off, far] = [good, off, far].map(Result::unwrap);
    let right = Expect::ReportData([0x64; 64]);
    assert_eq!(judge(vec![far.clone(), good.clone()], right), Ok(register(1)));
    let (want, got) = (register(9), register(6));
    let differences = vec![Difference { register: RegisterName::Rtmr1, want, got }];
    assert_eq!(judge(vec![far, off], right), Err(Rejected::Measurement { differences }));
    assert_eq!(judge(vec![], right), Err(Rejected::NoMeasurements));
    let mut other = [0x64; 64];
    other[63] ^= 1;
    assert_eq!(judge(vec![good], Expect::ReportData(other)), Err(Rejected::ReportData));
    let none = Policy::strict(vec![], Measurements::DangerAny);
    assert_eq!(verify(&quote, &collateral, &none, NOW, right), Err(Rejected::NoRoots));

    assert_eq!(measurement(&[]), Err(MeasurementError::NoMrTd));
    assert_eq!(measurement(&[(RegisterName::Rtmr3, register(8))]), Err(MeasurementError::NoMrTd));
    let zero = measurement(&[(RegisterName::MrTd, Register::ZERO)]);
    assert_eq!(zero, Err(MeasurementError::ZeroMrTd));
}
