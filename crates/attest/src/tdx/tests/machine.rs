//! The state of the machine: families, quoting enclave, module, levels, and what a policy makes of
//! each.

use alloc::vec::Vec;

use serde_json::{Value, json};

use super::forge::*;
use super::forged::{refused, verdict};
use super::*;
use crate::register::Register;

fn document(forge: &mut Forge, fault: DocumentFault, change: impl Fn(&mut Value)) {
    change(&mut forge.info);
    let source = Source::TcbInfo;
    assert_eq!(verdict(forge), Err(Rejected::Document { source, fault }));
}

fn describe(forge: &mut Forge, entries: &[Vec<u8>]) {
    forge.certificates.get_mut("pck").unwrap().extensions = vec![described(entries)];
}

#[test]
fn collateral_is_of_the_family_and_recent_enough() {
    let (machine, collateral) = (FMSPC, [0x90, 0xc0, 0x6f, 0, 0, 0]);
    let fmspc = Rejected::Fmspc { machine, collateral };
    refused(|forge| forge.info["fmspc"] = "90C06F000000".into(), fmspc);
    let pce = Rejected::PceId { machine: [0, 0], collateral: [0, 1] };
    refused(|forge| forge.info["pceId"] = "0001".into(), pce);

    let Made { quote, collateral, root } = Forge::new().make();
    let judge = |evaluation_number_min| {
        let policy = Policy { evaluation_number_min, ..trusting(root) };
        verify(&quote, &collateral, &policy, NOW, Expect::AnyReportData)
            .map(|claims| claims.evaluation_number)
    };
    assert_eq!(judge(17), Ok(17));
    let (source, got) = (Source::TcbInfo, 17);
    assert_eq!(judge(18), Err(Rejected::EvaluationNumber { source, got, min: 18 }));
    let mut forge = Forge::new();
    forge.qe["tcbEvaluationDataNumber"] = 16.into();
    let Made { quote, collateral, root } = forge.make();
    let policy = Policy { evaluation_number_min: 17, ..trusting(root) };
    let (source, got) = (Source::QeIdentity, 16);
    assert_eq!(
        verify(&quote, &collateral, &policy, NOW, Expect::AnyReportData),
        Err(Rejected::EvaluationNumber { source, got, min: 17 })
    );
}

#[test]
fn documents_are_about_tdx_and_say_everything() {
    let refuse = |fault, change: &dyn Fn(&mut Value)| document(&mut Forge::new(), fault, change);
    refuse(DocumentFault::Id, &|info| info["id"] = "SGX".into());
    refuse(DocumentFault::Id, &|info| info["tcbType"] = 1.into());
    refuse(DocumentFault::Id, &|info| info["tdxModule"] = Value::Null);
    refuse(DocumentFault::Version { got: 2 }, &|info| info["version"] = 2.into());
    refuse(DocumentFault::Hex, &|info| info["fmspc"] = "B0".into());
    for time in ["2026-06-31T00:00:00Z", "2026-06-01 00:00:00Z", "2026-06-01T00:00:00+00:00", ""] {
        refuse(DocumentFault::Time, &|info| info["issueDate"] = time.into());
    }
    refuse(DocumentFault::Status, &|info| info["tcbLevels"][0]["tcbStatus"] = "Fine".into());
    let module = "/tdxModuleIdentities/0/tcbLevels";
    refuse(DocumentFault::Status, &|info| {
        *info.pointer_mut(module).unwrap() = json!([svn_level(5, "SWHardeningNeeded")]);
    });
    refuse(DocumentFault::LevelCount { got: 0 }, &|info| info["tcbLevels"] = json!([]));
    refuse(DocumentFault::LevelCount { got: 0 }, &|info| {
        *info.pointer_mut(module).unwrap() = json!([]);
    });
    refuse(DocumentFault::LevelCount { got: 129 }, &|info| {
        let level = info["tcbLevels"][0].clone();
        info["tcbLevels"] = vec![level; 129].into();
    });

    let source = Source::QeIdentity;
    let fault = |fault| Rejected::Document { source, fault };
    // The identity of the quoting enclave for SGX is signed by the same key.
    refused(|forge| forge.qe["id"] = "QE".into(), fault(DocumentFault::Id));
    refused(|forge| forge.qe["version"] = 1.into(), fault(DocumentFault::Version { got: 1 }));
    refused(|forge| forge.qe["mrsigner"] = "DC".into(), fault(DocumentFault::Hex));
    refused(|forge| forge.qe = json!("nothing"), fault(DocumentFault::Json { line: 1, column: 9 }));
}

#[test]
fn levels_that_stand_out_of_order_are_refused() {
    let swap = |levels: &mut Value| levels.as_array_mut().unwrap().reverse();
    document(&mut Forge::new(), DocumentFault::LevelOrder, |info| swap(&mut info["tcbLevels"]));
    document(&mut Forge::new(), DocumentFault::LevelOrder, |info| {
        swap(info.pointer_mut("/tdxModuleIdentities/0/tcbLevels").unwrap());
    });
    document(&mut Forge::new(), DocumentFault::LevelOrder, |info| {
        let module = info["tdxModuleIdentities"][0].clone();
        info["tdxModuleIdentities"].as_array_mut().unwrap().push(module);
    });
    let fault = DocumentFault::LevelOrder;
    let want = Rejected::Document { source: Source::QeIdentity, fault };
    refused(|forge| swap(&mut forge.qe["tcbLevels"]), want);
}

/// A level that is lower in one sort of component alone, whichever, can still be reached.
#[test]
fn levels_are_compared_in_every_sort_of_component() {
    for list in ["sgxtcbcomponents", "tdxtcbcomponents"] {
        let mut forge = Forge::new();
        let levels = forge.info["tcbLevels"].as_array_mut().unwrap();
        levels.truncate(1);
        let mut lower = levels[0].clone();
        lower["tcb"][list][7]["svn"] = 0.into();
        levels.push(lower);
        assert_eq!(verdict(&mut forge).map(|claims| claims.tcb.status), Ok(TcbStatus::UpToDate));
    }
}

#[test]
fn documents_have_no_more_levels_than_are_compared() {
    let many = |level: &Value, count: u16| -> Value {
        let levels = (0..count).map(|at| {
            let mut level = level.clone();
            level["tcb"]["isvsvn"] = (count - at).into();
            level
        });
        levels.collect()
    };
    let level = Forge::new().qe["tcbLevels"][0].clone();
    let source = Source::QeIdentity;
    let fault = DocumentFault::LevelCount { got: 129 };
    refused(
        |forge| forge.qe["tcbLevels"] = many(&level, 129),
        Rejected::Document { source, fault },
    );
}

#[test]
fn the_quoting_enclave_is_that_of_intel_for_tdx() {
    let differs = |field, got: &[u8], want: &[u8]| Rejected::QeIdentity {
        field,
        got: got.into(),
        want: want.into(),
    };
    let report = |at: usize, bytes: &'static [u8]| {
        move |forge: &mut Forge| set(&mut forge.qe_report, at, bytes)
    };
    let signer = differs(QeField::MrSigner, &[0xdd; 32], &[0xdc; 32]);
    refused(report(QE_MR_SIGNER, &[0xdd; 32]), signer);
    // 1 is the quoting enclave for SGX.
    refused(report(QE_PROD_ID, &[1]), differs(QeField::IsvProdId, &[0, 1], &[0, 2]));
    let misc = differs(QeField::MiscSelect, &[1, 0, 0, 0], &[0; 4]);
    refused(report(QE_MISC_SELECT, &[1]), misc);
    let (mut got, mut want) = ([0; 16], [0; 16]);
    (got[0], want[0]) = (0x17, 0x11);
    refused(report(QE_ATTRIBUTES, &[0x17]), differs(QeField::Attributes, &got, &want));
    // Debug mode is refused even where the mask would let it pass.
    refused(
        |forge| {
            forge.qe["attributesMask"] = "00000000000000000000000000000000".into();
            forge.qe_report[QE_ATTRIBUTES] |= 2;
        },
        Rejected::QeDebug,
    );
    refused(report(QE_SVN, &[0]), Rejected::QeLevel { svn: 0 });
}

#[test]
fn the_module_is_that_of_intel() {
    let body =
        |at: usize, bytes: &'static [u8]| move |forge: &mut Forge| set(&mut forge.body, at, bytes);
    let signer = Rejected::ModuleSigner { got: Register([1; 48]) };
    refused(body(MR_SIGNER_SEAM, &[1; 48]), signer);
    let attributes = Rejected::ModuleAttributes { got: [1, 0, 0, 0, 0, 0, 0, 0] };
    refused(body(SEAM_ATTRIBUTES, &[1]), attributes);
    refused(body(TEE_TCB_SVN, &[5, 2]), Rejected::ModuleUnknown { version: 2 });
    refused(body(TEE_TCB_SVN, &[0, 1]), Rejected::ModuleLevel { svn: 0 });

    // The first modules have no identity of their own: all sixteen SVNs count, and the one signer.
    let mut first = Forge::new();
    first.info["tcbLevels"][0]["tcb"]["tdxtcbcomponents"][1]["svn"] = 0.into();
    set(&mut first.body, TEE_TCB_SVN, &[5, 0]);
    assert_eq!(verdict(&mut first).map(|claims| claims.tcb.status), Ok(TcbStatus::UpToDate));
    first.info["tdxModule"]["mrsigner"] = "11".repeat(48).into();
    assert_eq!(verdict(&mut first), Err(Rejected::ModuleSigner { got: Register::ZERO }));
}

#[test]
fn each_of_the_thirty_three_numbers_counts() {
    let lacking = |component, got, want| Rejected::TcbStatus {
        status: TcbStatus::ConfigurationNeeded,
        short: vec![Shortfall { component, got, want }],
    };
    for index in 0_u8..16 {
        let mut svns = [5; 16];
        svns[usize::from(index)] = 4;
        let short = lacking(Component::Sgx(index + 1), 4, 5);
        refused(|forge| describe(forge, &entries_of(svns, 10, None)), short);
    }
    let pce = lacking(Component::Pce, 9, 10);
    refused(|forge| describe(forge, &entries_of([5; 16], 9, None)), pce);
    for index in 2_u8..16 {
        let short = lacking(Component::Tdx(index + 1), 4, 5);
        refused(|forge| set(&mut forge.body, TEE_TCB_SVN + usize::from(index), &[4]), short);
    }
    // A machine below the lowest level is told what it lacks for that.
    let mut svns = [1; 16];
    svns[7] = 0;
    let short = vec![Shortfall { component: Component::Sgx(8), got: 0, want: 1 }];
    refused(|forge| describe(forge, &entries_of(svns, 2, None)), Rejected::TcbLevel { short });
}

/// The status of a machine, a module and a quoting enclave with these SVNs, if all were accepted.
fn status(machine: u8, module: u8, qe: u8) -> Result<TcbStatus, Rejected> {
    let mut forge = Forge::new();
    describe(&mut forge, &entries_of([machine; 16], 2 * machine, None));
    set(&mut forge.body, TEE_TCB_SVN, &[module]);
    set(&mut forge.qe_report, QE_SVN, &[qe]);
    let Made { quote, collateral, root } = forge.make();
    let statuses = [
        TcbStatus::ConfigurationNeeded,
        TcbStatus::OutOfDate,
        TcbStatus::OutOfDateConfigurationNeeded,
        TcbStatus::Revoked,
    ];
    let policy = Policy { statuses: statuses.into(), ..trusting(root) };
    verify(&quote, &collateral, &policy, NOW, Expect::AnyReportData).map(|claims| claims.tcb.status)
}

#[test]
fn the_worst_part_decides_and_revocation_ends_it() {
    assert_eq!(status(5, 5, 5), Ok(TcbStatus::UpToDate));
    assert_eq!(status(4, 5, 5), Ok(TcbStatus::ConfigurationNeeded));
    assert_eq!(status(3, 5, 5), Ok(TcbStatus::OutOfDate));
    assert_eq!(status(5, 3, 5), Ok(TcbStatus::OutOfDate));
    assert_eq!(status(5, 5, 3), Ok(TcbStatus::OutOfDate));
    assert_eq!(status(4, 3, 5), Ok(TcbStatus::OutOfDateConfigurationNeeded));
    assert_eq!(status(4, 5, 3), Ok(TcbStatus::OutOfDateConfigurationNeeded));
    // The policy lists `Revoked`, and that changes nothing.
    let revoked = |component| Err(Rejected::Revoked { component });
    assert_eq!(status(1, 5, 5), revoked(None));
    assert_eq!(status(5, 1, 5), revoked(Some(Component::Module)));
    assert_eq!(status(5, 5, 1), revoked(Some(Component::QuotingEnclave)));
}

#[test]
fn advisories_of_every_part_can_be_denied() {
    let Made { quote, collateral, root } = Forge::new().make();
    for id in ["INTEL-SA-00005", "INTEL-SA-10005"] {
        let policy = Policy { advisories_denied: [id.into()].into(), ..trusting(root) };
        let judged = verify(&quote, &collateral, &policy, NOW, Expect::AnyReportData);
        assert_eq!(judged, Err(Rejected::Advisory { id: id.into() }));
    }
}

#[test]
fn the_machine_of_now_is_judged_beside_that_of_the_launch() {
    let mut forge = Forge::of_version_5();
    let claims = verdict(&mut forge).unwrap();
    assert_eq!(claims.tcb_now, Some(claims.tcb));
    // Launched on the old module, which the machine has replaced since: launch again.
    set(&mut forge.body, TEE_TCB_SVN, &[3]);
    let short = |component| vec![Shortfall { component, got: 3, want: 5 }];
    let status = TcbStatus::OutOfDate;
    let stale = Rejected::TcbStatus { status, short: short(Component::Module) };
    assert_eq!(verdict(&mut forge), Err(stale.clone()));
    let Made { quote, collateral, root } = forge.make();
    let policy = Policy { statuses: [status].into(), ..trusting(root) };
    let claims = verify(&quote, &collateral, &policy, NOW, Expect::AnyReportData).unwrap();
    let now = claims.tcb_now.as_ref().map(|tcb| tcb.status);
    assert_eq!((claims.tcb.status, now), (status, Some(TcbStatus::UpToDate)));
    // And the other way round, which no machine should show.
    set(&mut forge.body, TEE_TCB_SVN, &[5]);
    set(&mut forge.body, TEE_TCB_SVN2, &[3]);
    assert_eq!(verdict(&mut forge), Err(stale));
}

#[test]
fn a_platform_is_described_once_and_in_full() {
    let fault = |fault| Rejected::Platform { fault };
    let bare = |forge: &mut Forge| {
        forge.certificates.get_mut("pck").unwrap().extensions.clear();
    };
    refused(bare, fault(PlatformFault::Missing));
    let whole = entries_of([5; 16], 10, None);
    for (index, entry) in [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)] {
        let mut entries = whole.clone();
        entries.remove(index);
        let missing = fault(PlatformFault::MissingEntry { entry });
        refused(|forge| describe(forge, &entries), missing);
        let mut entries = whole.clone();
        entries.push(whole[index].clone());
        let twice = fault(PlatformFault::DuplicateEntry { entry });
        refused(|forge| describe(forge, &entries), twice);
    }
    let unknown = der(0x30, &[der(6, &[SGX, &[9]].concat()), der(4, &[])].concat());
    let entries = [&whole[..], &[unknown]].concat();
    refused(|forge| describe(forge, &entries), fault(PlatformFault::UnknownEntry));
    // 0x80 alone is a negative number.
    let negative = entries_of([0x80; 16], 10, None);
    let svn = fault(PlatformFault::Svn { entry: 1 });
    refused(|forge| describe(forge, &negative), svn);
}
