//! Quotes of real machines with the collateral of their day, against what an independent
//! implementation read in them; and every change that can be made to them.

use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::vec::Vec;
use std::path::PathBuf;

use lucarne_ledger::hash::{from_hex, to_hex};
use serde_json::Value;

use super::forge::pem;
use super::*;
use crate::register::Register;

fn file(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/tdx").join(name);
    std::fs::read(path).unwrap()
}

fn bundle(name: &str) -> Collateral {
    Collateral::from_bundle(&file(name)).unwrap()
}

const fn at(seconds: u64) -> Time {
    Time::from_unix_ms(seconds * 1_000)
}

/// When the collateral of `tdx_quote` holds, and that of `tdx_quote_outdated`.
const GOOD: Time = at(1_750_400_000);
const LATER: Time = at(1_771_500_000);
const DAYS: u64 = 86_400;

/// Bytes of `tdx_quote` without the zeros behind it.
const GOOD_BYTES: usize = 4936;
const SIGNED_BYTES: usize = 632;

fn judge(quote: &[u8], collateral: &Collateral, now: Time) -> Result<Claims, Rejected> {
    let policy = cloud(INTEL_SGX_ROOT);
    verify(quote, collateral, &policy, now, Expect::AnyReportData).map(Verified::into_inner)
}

fn good() -> (Vec<u8>, Collateral) {
    (file("dcap-qvl/tdx_quote"), bundle("dcap-qvl/tdx_quote_collateral.json"))
}

fn truth(name: &str) -> Value {
    let truths: Value = serde_json::from_slice(&file("ground_truth.json")).unwrap();
    truths.as_array().unwrap().iter().find(|truth| truth["file"] == name).unwrap().clone()
}

fn register(truth: &Value, name: &str) -> Register {
    truth["td"][name].as_str().unwrap().parse().unwrap()
}

#[test]
fn the_good_quote_says_what_others_read_in_it() {
    let (quote, collateral) = good();
    let claims = judge(&quote, &collateral, GOOD).unwrap();
    let truth = truth("dcap-qvl/tdx_quote");
    let names = ["rtmr0", "rtmr1", "rtmr2", "rtmr3"];
    let comp: Vec<u8> = serde_json::from_value(truth["pck"]["comp"].clone()).unwrap();
    let hex = |name: &str| truth["pck"][name].as_str().unwrap();
    let want = Claims {
        root: INTEL_SGX_ROOT,
        version: 4,
        identity: Hash::of(&quote[..SIGNED_BYTES]),
        judged_at: GOOD,
        // The revocation list of PCKs ends 15 minutes before TCB info does.
        holds_until: at(1_752_919_235),
        holds_until_by: Source::PckCrl,
        mr_td: register(&truth, "mrtd"),
        rtmr: names.map(|name| register(&truth, name)),
        mr_config_id: Register::ZERO,
        mr_owner: Register::ZERO,
        mr_owner_config: Register::ZERO,
        mr_seam: register(&truth, "mrseam"),
        mr_signer_seam: Register::ZERO,
        mr_service_td: None,
        td_attributes: 0x1000_0000,
        xfam: 0x6_02e7,
        report_data: from_hex(truth["td"]["report_data"].as_str().unwrap()).unwrap(),
        tcb: Tcb {
            status: TcbStatus::UpToDate,
            date: at(1_710_288_000),
            advisories: [].into(),
            short: vec![],
        },
        tcb_now: None,
        platform: Platform {
            ppid: from_hex(hex("ppid")).unwrap(),
            sgx_svns: comp.try_into().unwrap(),
            pce_svn: 11,
            pce_id: [0, 0],
            fmspc: from_hex(hex("fmspc")).unwrap(),
            dynamic_platform: Some(true),
            cached_keys: Some(true),
            smt: Some(true),
        },
        evaluation_number: 17,
    };
    assert_eq!(claims, want);
    // Only under another root than Intel's, or in debug mode, is a TD called that.
    assert!(!claims.insecure());
}

#[test]
fn every_wrong_circumstance_is_refused_by_its_name() {
    let (quote, collateral) = good();
    let (expect, source) = (Expect::AnyReportData, Source::TcbInfo);
    let early = at(1_750_400_000 - 30 * DAYS);
    let from = at(1_750_328_163);
    let soon = Rejected::NotYetValid { source, from, at: early };
    assert_eq!(judge(&quote, &collateral, early), Err(soon));
    let late = at(1_750_400_000 + 60 * DAYS);
    let over = Rejected::Expired { source, until: at(1_752_920_163), at: late };
    assert_eq!(judge(&quote, &collateral, late), Err(over));

    let other = Fingerprint([7; 32]);
    let judged = verify(&quote, &collateral, &cloud(other), GOOD, expect);
    assert_eq!(judged, Err(Rejected::RootUnknown { got: INTEL_SGX_ROOT }));
    let outdated = bundle("dcap-qvl/tdx_quote_outdated_collateral.json");
    let family = |first| [first, 0xc0, 0x6f, 0, 0, 0];
    let fmspc = Rejected::Fmspc { machine: family(0xb0), collateral: family(0x90) };
    assert_eq!(judge(&quote, &outdated, LATER), Err(fmspc));
    let expect = Expect::ReportData([0; 64]);
    let judged = verify(&quote, &collateral, &cloud(INTEL_SGX_ROOT), GOOD, expect);
    assert_eq!(judged, Err(Rejected::ReportData));
    let strict = trusting(INTEL_SGX_ROOT);
    let judged = verify(&quote, &collateral, &strict, GOOD, Expect::AnyReportData);
    let flag = PlatformFlag::DynamicPlatform;
    assert_eq!(judged, Err(Rejected::PlatformFlag { flag }));
}

#[test]
fn the_outdated_machine_reaches_no_level() {
    let quote = file("dcap-qvl/tdx_quote_outdated");
    let collateral = bundle("dcap-qvl/tdx_quote_outdated_collateral.json");
    let short = vec![Shortfall { component: Component::Sgx(8), got: 3, want: 5 }];
    assert_eq!(judge(&quote, &collateral, LATER), Err(Rejected::TcbLevel { short }));
    // It is genuine all the same, as the independent implementation found.
    let parsed = Quote::parse(&quote).unwrap();
    let truth = truth("dcap-qvl/tdx_quote_outdated");
    let later = parsed.body.later.unwrap();
    assert_eq!(parsed.version, 5);
    assert_eq!(parsed.body.mr_td, register(&truth, "mrtd"));
    assert_eq!(to_hex(&later.tee_tcb_svn2), truth["td"]["tee_tcb_svn2"].as_str().unwrap());
    assert_eq!(later.mr_service_td, register(&truth, "mrservicetd"));
    let mut forged = quote;
    forged[100] ^= 1;
    assert_eq!(judge(&forged, &collateral, LATER), Err(Rejected::Signature));
}

/// Intel's own sample: synthetic, under a root of its own, with its chain in DER.
#[test]
fn the_sample_of_intel_is_refused_under_the_root_of_intel() {
    let quote = file("intel-qvl/quote.dat");
    let name = |name: &str| file(&["intel-qvl/", name].concat());
    // The sample writes its chains from the root down, the service from the signer up.
    let text = name("tcbSignChain.pem");
    let begin = b"-----BEGIN";
    let second = 1 + text[1..].windows(10).position(|window| window == begin).unwrap();
    let chain = [&text[second..], &text[..second]].concat();
    let collateral = Collateral::from_pcs(&PcsFiles {
        tcb_info: &name("tcbInfo.json"),
        tcb_info_chain: &chain,
        qe_identity: &name("qeIdentity.json"),
        qe_identity_chain: &chain,
        root_crl: &name("rootCaCrl.der"),
        pck_crl: &name("intermediateCaCrl.der"),
    })
    .unwrap();
    let now = at(1_640_000_000);
    let der = Rejected::Pem { place: Place::Pck };
    assert_eq!(judge(&quote, &collateral, now), Err(der));

    // The same with its chain, which nothing signs, written as quotes have it.
    let mut chain = Vec::new();
    let mut rest = &quote[1226..];
    while let [0x30, 0x82, high, low, ..] = rest {
        let length = 4 + usize::from(u16::from_be_bytes([*high, *low]));
        chain.insert(0, rest[..length].to_vec());
        rest = &rest[length..];
    }
    let root = Fingerprint::of(&chain[2]);
    let text = pem(&chain);
    let size = |bytes: usize| u32::try_from(bytes).unwrap().to_le_bytes();
    let mut written = quote[..1226].to_vec();
    written[1222..1226].copy_from_slice(&size(text.len()));
    written[766..770].copy_from_slice(&size(1226 - 770 + text.len()));
    written[632..636].copy_from_slice(&size(1226 - 636 + text.len()));
    written.extend(text.bytes());
    assert_eq!(judge(&written, &collateral, now), Err(Rejected::RootUnknown { got: root }));
    // Under its own root every signature holds, and TCB info names SVNs that no machine has.
    let policy = cloud(root);
    let judged = verify(&written, &collateral, &policy, now, Expect::AnyReportData);
    let (source, fault) = (Source::TcbInfo, DocumentFault::Json { line: 1, column: 429 });
    assert_eq!(judged, Err(Rejected::Document { source, fault }));
}

#[test]
fn no_change_of_the_signed_part_is_accepted() {
    let (quote, collateral) = good();
    let mut reasons = BTreeMap::new();
    for index in 0..SIGNED_BYTES {
        for bit in [1, 0x80] {
            let mut changed = quote.clone();
            changed[index] ^= bit;
            match judge(&changed, &collateral, GOOD) {
                Err(Rejected::Signature) => *reasons.entry("signature").or_insert(0) += 1,
                Err(_) if index < 48 => *reasons.entry("header").or_insert(0) += 1,
                other => panic!("byte {index}: {other:?}"),
            }
        }
    }
    // Version, key type, TEE type and vendor: 24 of the bytes of the header.
    assert_eq!(reasons, [("header", 48), ("signature", 2 * (SIGNED_BYTES - 24))].into());
}

#[test]
fn no_change_of_the_unsigned_part_is_accepted() {
    let (quote, collateral) = good();
    for index in SIGNED_BYTES..GOOD_BYTES {
        let mut changed = quote.clone();
        changed[index] ^= 1;
        if let Ok(claims) = judge(&changed, &collateral, GOOD) {
            panic!("byte {index}: {claims:?}");
        }
    }
}

#[test]
fn padding_is_zero_and_belongs_to_nothing() {
    let (quote, collateral) = good();
    let identity = |bytes: &[u8]| judge(bytes, &collateral, GOOD).map(|claims| claims.identity);
    let padded = identity(&quote).unwrap();
    assert_eq!(identity(&quote[..GOOD_BYTES]), Ok(padded));
    let longer = [&quote[..], &[0; 2994]].concat();
    assert_eq!(identity(&longer), Ok(padded));
    for at in [GOOD_BYTES, quote.len() - 1] {
        let mut trailing = quote.clone();
        trailing[at] = 1;
        assert_eq!(identity(&trailing), Err(Rejected::Trailing { at }));
    }
    let appended = [&quote[..], b"x"].concat();
    assert_eq!(identity(&appended), Err(Rejected::Trailing { at: quote.len() }));
    for cut in 0..GOOD_BYTES {
        let cut_short = identity(&quote[..cut]);
        assert!(matches!(cut_short, Err(Rejected::Truncated { .. })), "{cut}: {cut_short:?}");
    }
}

/// ECDSA has two signatures for one: (r, s) and (r, n - s).
#[test]
fn the_other_form_of_a_signature_gives_the_same_identity() {
    let (mut quote, collateral) = good();
    let s: [u8; 32] = quote[668..700].try_into().unwrap();
    let mut borrow = 0_i32;
    for index in (0..32).rev() {
        let difference = i32::from(P256_ORDER[index]) - i32::from(s[index]) - borrow;
        borrow = i32::from(difference < 0);
        quote[668 + index] = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    let claims = judge(&quote, &collateral, GOOD).unwrap();
    assert_eq!(claims.identity, Hash::of(&quote[..SIGNED_BYTES]));
    quote[668] ^= 1;
    assert_eq!(judge(&quote, &collateral, GOOD), Err(Rejected::Signature));
}

#[test]
fn no_change_of_collateral_is_accepted() {
    let (quote, collateral) = good();
    let places: [fn(&mut Collateral) -> &mut [u8]; 6] = [
        |collateral| &mut collateral.tcb_info.body,
        |collateral| &mut collateral.qe_identity.body,
        |collateral| &mut collateral.tcb_info.signature,
        |collateral| &mut collateral.qe_identity.signature,
        |collateral| &mut collateral.root_crl,
        |collateral| &mut collateral.pck_crl,
    ];
    for place in places {
        let length = place(&mut collateral.clone()).len();
        // Every byte of what is short, every few of what is long.
        for index in (0..length).step_by(length / 500 + 1) {
            let mut changed = collateral.clone();
            place(&mut changed)[index] ^= 1;
            let judged = judge(&quote, &changed, GOOD);
            let refused = matches!(
                judged,
                Err(Rejected::CollateralSignature { .. }
                    | Rejected::RevocationList { .. }
                    | Rejected::RevocationListIssuer { .. })
            );
            assert!(refused, "{index}: {judged:?}");
        }
    }
}

#[test]
fn the_two_forms_of_collateral_are_one() {
    let bundle: Value =
        serde_json::from_slice(&file("dcap-qvl/tdx_quote_collateral.json")).unwrap();
    let text = |name: &str| bundle[name].as_str().unwrap();
    let bytes = |name: &str| -> Vec<u8> {
        let digits = text(name).as_bytes().chunks(2);
        let pair = |pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.map(pair).collect()
    };
    let answer = |key: &str, name: &str| {
        let signature = text(&[name, "_signature"].concat());
        alloc::format!("{{\"{key}\":{},\"signature\":\"{signature}\"}}", text(name)).into_bytes()
    };
    let (tcb_info, qe_identity) =
        (answer("tcbInfo", "tcb_info"), answer("enclaveIdentity", "qe_identity"));
    let (root_crl, pck_crl) = (bytes("root_ca_crl"), bytes("pck_crl"));
    let files = PcsFiles {
        tcb_info: &tcb_info,
        tcb_info_chain: text("tcb_info_issuer_chain").as_bytes(),
        qe_identity: &qe_identity,
        qe_identity_chain: text("qe_identity_issuer_chain").as_bytes(),
        root_crl: &root_crl,
        pck_crl: &pck_crl,
    };
    assert_eq!(Collateral::from_pcs(&files), Ok(good().1));

    let source = Source::RootCrl;
    let empty = PcsFiles { root_crl: &[], ..files };
    assert_eq!(Collateral::from_pcs(&empty), Err(CollateralError::Missing { source }));
    let source = Source::TcbInfo;
    let swapped = PcsFiles { tcb_info: &qe_identity, ..files };
    assert_eq!(Collateral::from_pcs(&swapped), Err(CollateralError::Document { source }));
    let short = PcsFiles { tcb_info_chain: b"", ..files };
    assert_eq!(Collateral::from_pcs(&short), Err(CollateralError::Chain { source }));
    let long = vec![b' '; 512 * 1024 + 1];
    let got = long.len();
    let too_long = PcsFiles { tcb_info: &long, ..files };
    assert_eq!(Collateral::from_pcs(&too_long), Err(CollateralError::TooLong { got }));
    let mut bad = bundle.clone();
    bad["tcb_info_signature"] = "00".into();
    let read = Collateral::from_bundle(bad.to_string().as_bytes());
    assert_eq!(read, Err(CollateralError::Hex { source }));
}

/// The order of P-256 (SEC 2, §2.4.2).
const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];
