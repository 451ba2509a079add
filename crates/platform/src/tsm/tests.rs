//! A kernel in memory that counts, caches and refuses as `drivers/virt/coco/guest/report.c` does,
//! and the real file calls on a plain directory.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::*;

#[derive(Clone, Debug, Default)]
struct Question {
    inblob: Vec<u8>,
    privlevel: Option<u64>,
    writes: u64,
}

/// What the kernel does, and what may go wrong with it.
struct Kernel {
    provider: &'static str,
    floor: Option<&'static str>,
    report_bytes: usize,
    auxiliary: Option<Vec<u8>>,
    // somebody else writes to the entry between our writes and our reads
    meddler: bool,
    // names that a process before us left behind
    questions: Mutex<BTreeMap<String, Question>>,
    refused: Option<(&'static str, Errno)>,
    seen: Mutex<Vec<Question>>,
}

fn kernel(provider: &'static str) -> Kernel {
    Kernel {
        provider,
        floor: None,
        report_bytes: 1_184,
        auxiliary: None,
        meddler: false,
        questions: Mutex::default(),
        refused: None,
        seen: Mutex::default(),
    }
}

impl Kernel {
    fn check(&self, attribute: &str) -> Result<(), Errno> {
        match self.refused {
            Some((at, errno)) if at == attribute => Err(errno),
            _ => Ok(()),
        }
    }
}

impl TsmTree for Kernel {
    fn create(&self, entry: &str) -> Result<(), Errno> {
        self.check("mkdir")?;
        let mut questions = self.questions.lock().unwrap();
        if questions.contains_key(entry) {
            return Err(Errno::EEXIST);
        }
        questions.insert(entry.into(), Question::default());
        Ok(())
    }

    fn write(&self, entry: &str, attribute: &str, bytes: &[u8]) -> Result<(), Errno> {
        self.check(attribute)?;
        let mut questions = self.questions.lock().unwrap();
        let question = questions.get_mut(entry).ok_or(Errno::ENOENT)?;
        match attribute {
            "inblob" if bytes.len() > 64 => return Err(Errno::EINVAL),
            "inblob" => question.inblob = bytes.to_vec(),
            "privlevel" if self.floor.is_some() => {
                let level = str::from_utf8(bytes).unwrap().parse().map_err(|_| Errno::EINVAL)?;
                if level < self.floor.unwrap().trim().parse::<u64>().unwrap() {
                    return Err(Errno::EINVAL);
                }
                question.privlevel = Some(level);
            }
            _ => return Err(Errno::ENOENT),
        }
        question.writes += 1;
        Ok(())
    }

    fn read(&self, entry: &str, attribute: &str, bytes_max: usize) -> Result<Vec<u8>, Errno> {
        self.check(attribute)?;
        let mut questions = self.questions.lock().unwrap();
        let question = questions.get_mut(entry).ok_or(Errno::ENOENT)?;
        let bytes = match attribute {
            "generation" => format!("{}\n", question.writes).into_bytes(),
            "provider" => format!("{}\n", self.provider).into_bytes(),
            "privlevel_floor" => self.floor.ok_or(Errno::ENOENT)?.as_bytes().to_vec(),
            "outblob" => {
                if question.inblob.is_empty() {
                    return Err(Errno::EINVAL);
                }
                if self.meddler {
                    question.writes += 1;
                }
                self.seen.lock().unwrap().push(question.clone());
                let mut report = vec![0xaa; self.report_bytes];
                let room = report.len().min(64);
                report[..room].copy_from_slice(&question.inblob[..room]);
                report
            }
            "auxblob" => self.auxiliary.clone().ok_or(Errno::ENOENT)?,
            _ => return Err(Errno::ENOENT),
        };
        if bytes.len() > bytes_max { Err(Errno::EFBIG) } else { Ok(bytes) }
    }

    fn remove(&self, entry: &str) -> Result<(), Errno> {
        self.questions.lock().unwrap().remove(entry).map(drop).ok_or(Errno::ENOENT)
    }
}

#[track_caller]
fn asked(kernel: Kernel) -> (Result<TsmReport, TsmError>, Vec<Question>) {
    let tsm = Tsm::over(kernel).unwrap();
    let report = tsm.report(&[7; 64]);
    // Whatever happened, nothing is left behind.
    assert_eq!(tsm.tree.questions.lock().unwrap().len(), 0);
    let seen = tsm.tree.seen.lock().unwrap().clone();
    (report, seen)
}

#[test]
fn a_quote_answers_what_was_asked() {
    let (report, seen) = asked(Kernel { report_bytes: 5_000, ..kernel("tdx_guest") });
    let report = report.unwrap();
    assert_eq!((report.report.len(), &report.report[..64]), (5_000, &[7; 64][..]));
    assert_eq!(report.auxiliary, Vec::<u8>::new());
    assert_eq!((seen[0].privlevel, seen[0].writes), (None, 1));
}

#[test]
fn a_report_has_the_least_level_and_brings_its_certificates() {
    let auxiliary = Some(vec![1, 2, 3]);
    let (report, seen) = asked(Kernel { floor: Some("2\n"), auxiliary, ..kernel("sev_guest") });
    assert_eq!(report.unwrap().auxiliary, [1, 2, 3]);
    assert_eq!((seen[0].privlevel, seen[0].writes), (Some(2), 2));
    let bad = Err(TsmError::Number { at: "privlevel_floor" });
    for floor in ["4\n", "-1\n", "zero", ""] {
        let (report, _) = asked(Kernel { floor: Some(floor), ..kernel("sev_guest") });
        assert_eq!(report, bad, "{floor:?}");
    }
}

#[test]
fn each_question_has_an_entry_of_its_own_even_beside_one_that_was_left() {
    let tsm = Tsm::over(kernel("sev_guest")).unwrap();
    assert_eq!(tsm.provider(), TsmProvider::SevSnp);
    let left: Vec<String> = (1..4).map(|n| format!("lucarne-{}-{n}", process::id())).collect();
    for name in &left {
        tsm.tree.create(name).unwrap();
    }
    tsm.report(&[1; 64]).unwrap();
    tsm.report(&[2; 64]).unwrap();
    let kept: Vec<String> = tsm.tree.questions.lock().unwrap().keys().cloned().collect();
    assert_eq!(kept, left);
    let firsts: Vec<u8> = tsm.tree.seen.lock().unwrap().iter().map(|q| q.inblob[0]).collect();
    assert_eq!(firsts, [1, 2]);
}

#[test]
fn a_write_of_somebody_else_shows_in_the_count() {
    let (report, _) = asked(Kernel { meddler: true, ..kernel("tdx_guest") });
    assert_eq!(report, Err(TsmError::Conflict { counted: 2, made: 1 }));
}

#[test]
fn a_web_token_is_refused_clearly_and_only_of_tdx() {
    let of = |provider, report_bytes| asked(Kernel { report_bytes, ..kernel(provider) }).0;
    let got = (8 << 10) + 1;
    assert_eq!(of("tdx_guest", got), Err(TsmError::WebToken { got }));
    let text = TsmError::WebToken { got }.to_string();
    assert!(text.contains("DICE web token") && text.contains("not supported"), "{text}");
    assert_eq!(of("tdx_guest", 8 << 10).unwrap().report.len(), 8 << 10);
    assert_eq!(of("sev_guest", got).unwrap().report.len(), got);
    assert_eq!(of("sev_guest", 0), Err(TsmError::Empty));
    let errno = Errno::EFBIG;
    assert_eq!(of("sev_guest", (64 << 10) + 1), Err(TsmError::Io { at: "outblob", errno }));
}

#[test]
fn a_guest_that_nobody_knows_is_refused() {
    let refused = Tsm::over(kernel("arm_cca_guest")).map(|_| ());
    assert_eq!(refused, Err(TsmError::Provider));
}

#[test]
fn what_the_kernel_refuses_is_said_with_its_place() {
    let places = [
        ("inblob", Errno::EINVAL),
        ("outblob", Errno::EIO),
        ("outblob", Errno::EBUSY),
        ("auxblob", Errno::ENXIO),
        ("generation", Errno::EACCES),
    ];
    for (at, errno) in places {
        let (report, _) = asked(Kernel { refused: Some((at, errno)), ..kernel("sev_guest") });
        assert_eq!(report, Err(TsmError::Io { at, errno }));
    }
    let shut = Kernel { refused: Some(("mkdir", Errno::EACCES)), ..kernel("sev_guest") };
    let errno = Errno::EACCES;
    assert_eq!(Tsm::over(shut).map(|_| ()), Err(TsmError::Io { at: "a new entry", errno }));
}

/// The directory is a plain one: the test puts in what the kernel would.
#[test]
fn attributes_are_files_and_are_never_made_here() {
    let directory = tempfile::tempdir().unwrap();
    let tree = Configfs { root: directory.path().into() };
    assert_eq!(tree.create("one"), Ok(()));
    assert_eq!(tree.create("one"), Err(Errno::EEXIST));
    assert_eq!(tree.write("one", "inblob", b"x"), Err(Errno::ENOENT));
    let inblob = directory.path().join("one/inblob");
    File::create(&inblob).unwrap();
    assert_eq!(tree.write("one", "inblob", &[5; 64]), Ok(()));
    assert_eq!(tree.read("one", "inblob", 64), Ok(vec![5; 64]));
    assert_eq!(tree.read("one", "inblob", 63), Err(Errno::EFBIG));
    assert_eq!(tree.read("one", "outblob", 64), Err(Errno::ENOENT));
    fs::remove_file(&inblob).unwrap();
    assert_eq!(tree.remove("one"), Ok(()));
    assert_eq!(tree.remove("one"), Err(Errno::ENOENT));
}
