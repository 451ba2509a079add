//! The verbs on real files, with a key that OpenSSL made.

use std::fs;
use std::path::Path;
use std::process::Command;

use clap::Parser;
use lucarne_desk::bundle::verify::Class;

use super::verify::exit;
use super::{Args, Verb};
use crate::failure::{Exit, Failure};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn run(line: &str, folder: &Path) -> Result<(Exit, String), Failure> {
    let line = line.replace('@', &folder.display().to_string());
    let words = ["evidence"].into_iter().chain(line.split(' '));
    let Args { verb } = Line::try_parse_from(words).unwrap().args;
    let mut out = Vec::new();
    let exit = match &verb {
        Verb::Collect(args) => super::collect::run(args, &mut out),
        Verb::Seal(args) => super::seal::run(args, &mut out),
        Verb::Verify(args) => super::verify::run(args, &mut out),
        Verb::Export(args) => super::export::run(args, &mut out),
    }?;
    Ok((exit, String::from_utf8(out).unwrap()))
}

fn openssl(line: &str, folder: &Path) {
    let line = line.replace('@', &folder.display().to_string());
    let status = Command::new("openssl").args(line.split(' ')).status().unwrap();
    assert!(status.success());
}

#[test]
fn from_collecting_to_the_copy_of_somebody_else() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out @/desk.pem", at);
    openssl("pkey -in @/desk.pem -pubout -out @/desk.pub.pem", at);
    fs::write(at.join("plan.yaml"), "items:\n- {id: log, from: {file: a.log}}\n").unwrap();
    fs::write(at.join("a.log"), "beat 1\n").unwrap();
    let by = "--by responder-a --purpose test";
    let collect = format!("collect @/bag --plan @/plan.yaml --severity SEV0 {by}");
    let (exit, said) = run(&collect, at).unwrap();
    assert_eq!(exit, Exit::Yes);
    assert!(said.starts_with("collected log\nunavailable-by-design ssh-session: "), "{said}");
    assert_eq!(run(&collect, at).unwrap_err().exit(), Exit::No, "an item comes once");
    fs::write(at.join("more.yaml"), "items:\n- {id: gone, from: {file: b.log}}\n").unwrap();
    let (exit, said) = run(&collect.replace("plan.yaml", "more.yaml"), at).unwrap();
    assert_eq!(exit, Exit::CouldNotTell);
    assert!(said.starts_with("failed gone: ") && said.lines().count() == 1, "{said}");

    let seal = format!("seal @/bag --sign-with @/desk.pem {by}");
    let unsealed = run("verify @/bag --key @/desk.pub.pem", at);
    assert_eq!(unsealed.unwrap().0, Exit::CouldNotTell, "a draft proves nothing");
    assert_eq!(run(&seal, at).unwrap().0, Exit::Yes);
    assert_eq!(run(&seal, at).unwrap_err().exit(), Exit::No);
    let (exit, said) = run("verify @/bag --key @/desk.pub.pem", at).unwrap();
    assert_eq!(exit, Exit::Yes);
    assert!(said.starts_with("VERIFIED: everything is as it was sealed\nbag sha256:"), "{said}");
    assert_eq!(run("verify @/bag", at).unwrap().0, Exit::CouldNotTell);

    let export =
        format!("export @/bag --to @/copy --key @/desk.pub.pem --sign-with @/desk.pem {by}");
    assert_eq!(run(&export, at).unwrap().0, Exit::Yes);
    assert_eq!(run("verify @/copy --key @/desk.pub.pem", at).unwrap().0, Exit::Yes);
    fs::write(at.join("copy/data/log"), "beat 2\n").unwrap();
    let by_class = "verify @/copy --key @/desk.pub.pem --exit-by-class";
    assert_eq!(run(by_class, at).unwrap().0, Exit::Class(10));
    assert_eq!(run("verify @/copy --key @/desk.pub.pem -o json", at).unwrap().0, Exit::No);
    fs::remove_file(at.join("copy/data/log")).unwrap();
    assert_eq!(run(by_class, at).unwrap().0, Exit::Class(11));
}

#[test]
fn classes_have_exits_of_their_own() {
    use Class::{
        Altered, CustodyBroken, CustodyTruncated, Inserted, Missing, NotSealed, Signature,
        UntrustedKey,
    };
    let all = [
        Altered,
        Missing,
        Inserted,
        CustodyBroken,
        CustodyTruncated,
        Signature,
        UntrustedKey,
        NotSealed,
    ];
    let codes = all.map(|class| exit(Some(class), true).code());
    assert_eq!(codes, [10, 11, 12, 13, 14, 15, 16, 17]);
    let plain = all.map(|class| exit(Some(class), false).code());
    assert_eq!(plain, [1, 1, 1, 1, 1, 1, 2, 2]);
    assert_eq!(exit(None, true), Exit::Yes);
}
