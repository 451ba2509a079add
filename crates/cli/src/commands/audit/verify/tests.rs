//! Archives in a directory, attacked as somebody with access to the storage would, judged by the
//! whole command.

mod baseline;
mod hardware;
mod pinned;
mod proof;
mod reports;
mod resume;
mod seed;
pub(in crate::commands::audit) mod site;

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use serde_json::Value;

use self::site::{FIRST, SECOND, Site, Tee};
use super::*;
use crate::commands::audit::show;

/// The command line as clap sees it.
#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn args(site: &Site, more: &[&str]) -> Args {
    let (archive, policy) = (site.archive(), site.policy());
    let line = ["verify", "--records-dir", archive.to_str().unwrap(), "--policy"];
    let line = line.into_iter().chain([policy.to_str().unwrap()]).chain(more.iter().copied());
    Line::try_parse_from(line).unwrap().args
}

fn output(site: &Site, more: &[&str]) -> (Exit, String) {
    run_line(&args(site, more)).unwrap()
}

fn run_line(args: &Args) -> Result<(Exit, String), Failure> {
    let mut out = Vec::new();
    let exit = run_to(args, &mut out, &|| false)?;
    Ok((exit, String::from_utf8(out).unwrap()))
}

/// A command line without a policy.
fn line(records: &Path, more: &[&str]) -> Args {
    let line = ["verify", "--records-dir", records.to_str().unwrap()];
    Line::try_parse_from(line.iter().chain(more)).unwrap().args
}

/// Kind, first, last of each finding.
type Found = (String, Option<u64>, Option<u64>);

fn findings(site: &Site) -> (Exit, Vec<Found>) {
    let (exit, text) = output(site, &["--output", "json"]);
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["schema"], "lucarne.audit/1");
    assert_eq!(report["exit"], exit.code());
    let found = report["findings"].as_array().unwrap().iter().map(|finding| {
        let kind = finding["kind"].as_str().unwrap().to_owned();
        (kind, finding["first"].as_u64(), finding["last"].as_u64())
    });
    (exit, found.collect())
}

#[track_caller]
fn check(site: &Site, exit: Exit, expected: &[(&str, u64, u64)]) {
    let expected: Vec<Found> =
        expected.iter().map(|(kind, a, b)| ((*kind).to_owned(), Some(*a), Some(*b))).collect();
    assert_eq!(findings(site), (exit, expected));
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn an_archive_as_it_was_written_verifies_under_its_insecure_root() {
    let site = Site::new();
    let (exit, text) = output(&site, &[]);
    assert_eq!(exit, Exit::Insecure, "{text}");
    let epoch = FIRST.epoch();
    let expected = format!(
        "Verified, but only under a root that the policy names insecure: 17 records of 2 ledgers \
         are as they were sealed, by something that protects nothing.\n\
         \n\
         nitro-001-us-east/{epoch}/audit (INSECURE root)\n\
         seq 0-8: VALID (9 records, signatures ok, hash chain ok)\n\
         \n\
         nitro-001-us-east/{epoch}/telemetry (INSECURE root)\n\
         seq 0-7: VALID (8 records, signatures ok, roots ok)\n\
         \n\
         nitro-001-us-east/{epoch}/audit: size 9, closed, covered by a checkpoint up to 9\n\
         nitro-001-us-east/{epoch}/telemetry: size 8, closed, covered by a checkpoint up to 8\n"
    );
    assert!(text.starts_with(&expected), "{text}");
    assert!(text.contains("Not claimed"), "{text}");
}

#[test]
fn a_line_a_record_reads_as_in_the_runbooks() {
    let site = Site::of_single_records();
    fs::remove_file(&site.seals("audit")[2]).unwrap();
    let (exit, text) = output(&site, &["--ledger", "audit", "--per-record"]);
    assert_eq!(exit, Exit::No);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[1], "seq 0: VALID (signature ok, hash chain ok)");
    assert_eq!(lines[2], "seq 1: VALID (signature ok, hash chain ok)");
    let missing =
        lines[3].strip_prefix("seq 2: MISSING (not present in the archive; a record with leaf ");
    assert_eq!(missing.and_then(|rest| rest.strip_suffix(" was sealed)")).map(str::len), Some(64));
    assert_eq!(lines[4], "seq 3: VALID (signature ok, previous hash does not match seq 1)");
    let epoch = FIRST.epoch();
    let conclusion = format!(
        "CONCLUSION: record 2 of nitro-001-us-east/{epoch}/audit was sealed inside the TEE and is \
         absent from this archive. What it said cannot be known from here, nor who removed it, \
         nor whether it was removed from the archive or never reached it; what would settle it: \
         the storage's access log and versions, and the enclave's own store of the epoch."
    );
    assert!(lines.contains(&conclusion.as_str()), "{text}");
}

#[test]
fn any_flipped_byte_of_a_segment_is_found_and_its_range_named() {
    let site = Site::new();
    let path = &site.seals("audit")[1];
    let bytes = fs::read(path).unwrap();
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x10;
        fs::write(path, &flipped).unwrap();
        assert_eq!(
            findings(&site),
            (Exit::No, vec![("MODIFIED".into(), Some(3), Some(5))]),
            "{at}"
        );
    }
}

#[test]
fn a_segment_cut_anywhere_is_found_and_its_range_named() {
    let site = Site::new();
    let path = &site.seals("audit")[1];
    let bytes = fs::read(path).unwrap();
    for length in (0..bytes.len()).step_by(13).chain([bytes.len() - 1]) {
        fs::write(path, &bytes[..length]).unwrap();
        assert_eq!(
            findings(&site),
            (Exit::No, vec![("MODIFIED".into(), Some(3), Some(5))]),
            "{length}"
        );
    }
    // Behind intact records it is something more, not something else.
    fs::write(path, [&bytes[..], b"\0"].concat()).unwrap();
    check(&site, Exit::No, &[("INSERTED", 3, 5)]);
}

#[test]
fn a_removed_segment_is_missing() {
    for (ledger, number, first, last) in
        [("audit", 0, 0, 2), ("audit", 1, 3, 5), ("telemetry", 0, 0, 3)]
    {
        let site = Site::new();
        fs::remove_file(&site.seals(ledger)[number]).unwrap();
        check(&site, Exit::No, &[("MISSING", first, last)]);
    }
}

#[test]
fn a_removed_end_is_never_verified() {
    let mut site = Site::new();
    fs::remove_file(site.seals("audit").last().unwrap()).unwrap();
    check(&site, Exit::No, &[("TRUNCATED", 6, 8)]);
    // With its checkpoint gone too it looks like a crash, and is still not whole.
    let last = site.checkpoints("audit").pop().unwrap();
    fs::remove_file(last).unwrap();
    assert_eq!(findings(&site), (Exit::CouldNotTell, vec![("UNCLEAN_END".into(), None, None)]));
    site.accept("host lost power");
    let (exit, text) = output(&site, &[]);
    assert_eq!(exit, Exit::Insecure);
    assert!(text.contains("accepted by the policy: host lost power"), "{text}");
}

#[test]
fn a_whole_ledger_that_is_gone_is_missing() {
    let site = Site::new();
    for path in site.seals("telemetry").into_iter().chain(site.checkpoints("telemetry")) {
        fs::remove_file(path).unwrap();
    }
    assert_eq!(findings(&site), (Exit::No, vec![("MISSING".into(), None, None)]));
}

#[test]
fn an_empty_directory_is_not_verified_and_a_missing_one_is_not_read() {
    let site = Site::new();
    fs::remove_dir_all(site.archive()).unwrap();
    let failure = run_line(&args(&site, &[])).unwrap_err();
    assert_eq!(failure.exit(), Exit::Unreadable);
    fs::create_dir(site.archive()).unwrap();
    let (exit, text) = output(&site, &[]);
    assert_eq!(exit, Exit::CouldNotTell);
    assert!(
        text.starts_with("This archive cannot be called whole: archive: there is nothing"),
        "{text}"
    );
}

#[test]
fn a_removed_checkpoint_is_noticed_only_at_the_end() {
    let site = Site::new();
    let checkpoints = site.checkpoints("audit");
    fs::remove_file(&checkpoints[0]).unwrap();
    check(&site, Exit::Insecure, &[]);
    fs::remove_file(checkpoints.last().unwrap()).unwrap();
    check(&site, Exit::CouldNotTell, &[("UNANCHORED_TAIL", 6, 8)]);
}

#[test]
fn a_flipped_byte_of_a_checkpoint_is_found() {
    let site = Site::new();
    let path = &site.checkpoints("audit")[1];
    let bytes = fs::read(path).unwrap();
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        fs::write(path, &flipped).unwrap();
        assert_eq!(
            findings(&site),
            (Exit::No, vec![("MODIFIED".into(), Some(5), Some(5))]),
            "{at}"
        );
    }
}

#[test]
fn evidence_that_is_changed_or_gone_is_told_apart() {
    for (file, kind) in
        [("evidence.cbor", "KEY_NOT_ATTESTED"), ("binding.cbor", "KEY_NOT_ATTESTED")]
    {
        let site = Site::new();
        let path = site.epoch_file(&FIRST, file);
        let bytes = fs::read(&path).unwrap();
        for at in (0..bytes.len()).step_by(bytes.len() / 40) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            fs::write(&path, &flipped).unwrap();
            assert_eq!(findings(&site), (Exit::No, vec![(kind.into(), None, None)]), "{file} {at}");
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(findings(&site), (Exit::CouldNotTell, vec![("INCOMPLETE".into(), None, None)]));
    }
}

#[test]
fn evidence_of_other_code_or_another_root_is_refused() {
    let site = Site::new();
    site.write_policy("any-insecure", &"ab".repeat(32));
    let refused = |kind: &str| (Exit::No, vec![(kind.to_owned(), None, None)]);
    assert_eq!(findings(&site), refused("KEY_NOT_ATTESTED"));
    let other = format!("[\"{}\"]", "ab".repeat(48));
    site.write_policy(&other, site::ROOT);
    assert_eq!(findings(&site), refused("MEASUREMENT_UNEXPECTED"));
    let genuine = format!("[\"{}\"]", "e5".repeat(48));
    site.write_policy(&genuine, site::ROOT);
    assert_eq!(findings(&site), (Exit::Insecure, vec![]));
}

#[test]
fn evidence_of_another_epoch_does_not_attest_this_one() {
    let site = Site::new();
    for file in ["evidence.cbor", "binding.cbor"] {
        let short = file.split('.').next().unwrap();
        fs::write(site.epoch_file(&FIRST, file), SECOND.file(short)).unwrap();
    }
    let expected = (Exit::No, vec![("KEY_NOT_ATTESTED".to_owned(), None, None)]);
    assert_eq!(findings(&site), expected);
}

#[test]
fn a_segment_of_another_epoch_is_replayed() {
    let site = Site::new();
    site.add_epoch(&SECOND);
    let (mine, other) = (&site.seals_of(&FIRST, "audit")[1], &site.seals_of(&SECOND, "audit")[1]);
    fs::copy(other, mine).unwrap();
    check(&site, Exit::No, &[("REPLAYED", 3, 5)]);
    // Beside the true one, under its own name.
    let site = Site::new();
    site.add_epoch(&SECOND);
    let other = &site.seals_of(&SECOND, "audit")[1];
    let beside = site.seals_of(&FIRST, "audit")[1].with_file_name(name(other));
    fs::copy(other, beside).unwrap();
    check(&site, Exit::No, &[("REPLAYED", 3, 5)]);
}

#[test]
fn a_second_history_is_a_fork() {
    let site = Site::new();
    site.fork();
    let (exit, found) = findings(&site);
    assert_eq!((exit, found.len()), (Exit::No, 1), "{found:?}");
    assert_eq!(found[0].0, "FORKED");
    let (_, text) = output(&site, &["--output", "json"]);
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["findings"][0]["fork_proof"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_renamed_segment_is_found() {
    let renamed = |change: &dyn Fn(&str) -> String| {
        let site = Site::new();
        let path = &site.seals("audit")[1];
        fs::rename(path, path.with_file_name(change(&name(path)))).unwrap();
        site
    };
    let moved = renamed(&|name| format!("{:020}-{:020}{}", 90, 92, &name[41..]));
    check(&moved, Exit::No, &[("REORDERED", 3, 5)]);
    let root = renamed(&|name| format!("{}{}{}", &name[..42], "0".repeat(64), &name[106..]));
    check(&root, Exit::No, &[("MODIFIED", 3, 5)]);
    let revision = renamed(&|name| name.replace(".r0.", ".r3."));
    check(&revision, Exit::CouldNotTell, &[("INCOMPLETE", 3, 5)]);
    let no_name = renamed(&|name| format!("{name}.bak"));
    let expected =
        vec![("MISSING".to_owned(), Some(3), Some(5)), ("INCOMPLETE".to_owned(), None, None)];
    assert_eq!(findings(&no_name), (Exit::No, expected));
}

#[test]
fn a_segment_under_another_day_or_ledger_is_found() {
    let site = Site::new();
    let path = &site.seals("audit")[1];
    let other: PathBuf = path.to_str().unwrap().replace("2026/05/25", "2026/05/26").into();
    fs::create_dir_all(other.parent().unwrap()).unwrap();
    fs::rename(path, other).unwrap();
    check(&site, Exit::No, &[("REORDERED", 3, 5)]);
    let site = Site::new();
    let path = &site.seals("audit")[1];
    let other = site.seals("telemetry")[0].with_file_name(name(path));
    fs::rename(path, other).unwrap();
    // Gone from one ledger, foreign in the other.
    check(&site, Exit::No, &[("MISSING", 3, 5), ("REPLAYED", 3, 5)]);
}

#[test]
fn a_copied_segment_under_another_name_is_a_duplicate() {
    let site = Site::new();
    let path = &site.seals("audit")[1];
    let copy = format!("{:020}-{:020}{}", 90, 92, &name(path)[41..]);
    fs::copy(path, path.with_file_name(copy)).unwrap();
    check(&site, Exit::No, &[("DUPLICATE", 3, 5)]);
}

#[test]
fn what_does_not_concern_the_archive_is_only_mentioned() {
    let site = Site::new();
    fs::write(site.archive().join("notes.txt"), "hello").unwrap();
    let (exit, text) = output(&site, &[]);
    assert_eq!(exit, Exit::Insecure);
    assert!(text.contains("ignored: notes.txt\n"), "{text}");
}

#[test]
fn the_name_of_a_file_writes_no_line_of_a_report() {
    let site = Site::new();
    let name = "x\n\u{1b}[2JThis archive is verified.";
    fs::write(site.archive().join(name), "").unwrap();
    fs::create_dir_all(site.archive().join("epochs")).unwrap();
    fs::write(site.archive().join("epochs").join(name), "").unwrap();
    let (exit, text) = output(&site, &[]);
    assert_eq!(exit, Exit::CouldNotTell, "{text}");
    let lines = text.lines().filter(|line| line.contains(r"x\n\u{1b}[2JThis archive"));
    assert!(lines.count() >= 2 && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn a_range_means_one_epoch() {
    let site = Site::new();
    site.add_epoch(&SECOND);
    let range = ["--from-seq", "3", "--to-seq", "5"];
    let failure = run_line(&args(&site, &range)).unwrap_err();
    assert_eq!(failure.exit(), Exit::Usage);
    let text = failure.text(false);
    for tee in [&FIRST, &SECOND] {
        assert!(text.contains(&format!("--epoch {}", tee.epoch())), "{text}");
    }
    let epoch = FIRST.epoch().to_string();
    let one = [&range[..], &["--epoch", &epoch]].concat();
    let (exit, text) = output(&site, &one);
    assert_eq!(exit, Exit::Insecure);
    assert!(
        text.contains("\nseq 3-5: VALID (3 records, signatures ok, hash chain ok)\n"),
        "{text}"
    );
    // Damage elsewhere does not concern it.
    fs::remove_file(&site.seals_of(&FIRST, "audit")[0]).unwrap();
    assert_eq!(output(&site, &one).0, Exit::Insecure);
    assert_eq!(output(&site, &["--epoch", &epoch]).0, Exit::No);
}

#[test]
fn a_range_is_written_in_order() {
    let site = Site::new();
    let range = ["--from-seq", "5", "--to-seq", "3"];
    let failure = run_line(&args(&site, &range)).unwrap_err();
    assert_eq!(failure.exit(), Exit::Usage);
}

#[test]
fn records_left_out_with_authority_are_counted_by_rule() {
    let site = Site::new();
    site.withhold(1, &site::outer_layer());
    let (exit, text) = output(&site, &[]);
    assert_eq!(exit, Exit::Insecure);
    assert!(text.contains("seq 4: WITHHELD (1 left out by the rule `key form.*`)\n"), "{text}");
    assert!(text.contains("withheld by the rule `key form.*`: 1 record\n"), "{text}");
    let site = Site::new();
    site.withhold(1, &site::stranger());
    check(&site, Exit::No, &[("MISSING", 4, 4)]);
    let (_, text) = output(&site, &[]);
    assert!(text.contains("\nseq 0-3: VALID (4 records"), "{text}");
    assert!(text.contains("\nseq 5-8: VALID (4 records"), "{text}");
}

#[test]
fn a_later_epoch_anchors_the_one_before() {
    let site = Site::new();
    site.add_epoch(&SECOND);
    check(&site, Exit::Insecure, &[]);
    // The end of the first is gone with its checkpoints; the second still says how long it was.
    fs::remove_file(site.seals_of(&FIRST, "audit").last().unwrap()).unwrap();
    fs::remove_file(site.checkpoints("audit").pop().unwrap()).unwrap();
    let (exit, found) = findings(&site);
    assert_eq!(exit, Exit::No);
    assert!(found.contains(&("TRUNCATED".to_owned(), Some(6), Some(8))), "{found:?}");
}

#[test]
fn records_are_shown_as_they_were_sealed() {
    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: show::Args,
    }
    let site = Site::new();
    let (archive, policy) = (site.archive(), site.policy());
    let shown = |more: &[&str]| {
        let place = ["show", "--records-dir", archive.to_str().unwrap()];
        let policy = ["--policy", policy.to_str().unwrap()];
        let line = place.iter().chain(&policy).chain(more).copied();
        let mut out = Vec::new();
        let exit = show::run_to(&Line::try_parse_from(line).unwrap().args, &mut out).unwrap();
        assert_eq!(exit, Exit::Insecure);
        serde_json::from_slice::<Value>(&out).unwrap()
    };
    let event = shown(&["4", "--ledger", "audit"]);
    assert_eq!((&event["seq"], &event["stream"]), (&4.into(), &"audit".into()));
    assert_eq!(event["payload"]["event_type"], "workflow.started");
    assert_eq!(event["prev_hash"], event["payload"]["prev_hash"]);
    let before = shown(&["3", "--ledger", "audit"]);
    assert_eq!(event["prev_hash"], before["record_hash"]);
    let log = shown(&["6", "--ledger", "telemetry"]);
    assert_eq!(log["payload"]["attributes"]["executionId"], "exec-abc-123");
    assert_eq!(log["context"]["resource"]["attributes"]["service.name"], "processengine");
    assert_eq!(log["context"]["scope"]["name"], "engine");
    let seal = name(&site.seals("telemetry")[1]);
    let again = shown(&["--seal", &seal, "--index", "6"]);
    assert_eq!(again, log);
}

#[test]
fn a_tee_is_named_wherever_it_protects_nothing() {
    let site = Site::new();
    for more in [&[][..], &["--per-record"]] {
        let (_, text) = output(&site, more);
        assert!(text.contains("INSECURE"), "{text}");
    }
    let tee: &Tee = &FIRST;
    assert_ne!(tee.epoch(), SECOND.epoch());
}

#[test]
fn signed_batches_in_json_lie_beside_the_ledgers_and_what_is_none_is_named() {
    let site = Site::new();
    site.add_json_batches(&FIRST, 2);
    check(&site, Exit::Insecure, &[]);
    fs::rename(&site.json_batches()[1], site.json_batches()[1].with_file_name("2.json")).unwrap();
    assert_eq!(output(&site, &[]).0, Exit::CouldNotTell);
}
