//! Files: what is written, and what is left after a crash at any point.

use std::fs;

use super::*;
use crate::export::samples;

fn open(directory: &Path) -> Jsonl {
    Jsonl::open(directory, u64::MAX, 2).unwrap()
}

async fn write(files: &mut Jsonl, items: &[Item]) {
    files.load(items);
    files.advance().await.unwrap();
}

/// `timestamp` of each line of a file.
fn seconds(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let second = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        value["timestamp"].as_str().unwrap()[17..19].to_owned()
    };
    text.lines().map(second).collect()
}

#[tokio::test]
async fn each_signal_has_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let mut files = open(directory.path());
    write(
        &mut files,
        &[samples::log(1, 9), samples::span(), samples::histogram(), samples::log(2, 9)],
    )
    .await;
    assert_eq!(files.tally(), Tally { sent: 4, refused: 0, skipped: 0 });
    let file = |name: &str| directory.path().join(name);
    assert_eq!(seconds(&file("logs.jsonl")), ["01", "02"]);
    assert_eq!(seconds(&file("metrics.jsonl")), ["00"]);
    assert_eq!(seconds(&file("traces.jsonl")), ["00"]);
    let lengths: Vec<u64> = files.lengths().into_iter().map(|(_, length)| length).collect();
    let on_disk = NAMES.map(|name| fs::metadata(file(name)).unwrap().len());
    assert_eq!(lengths, on_disk);
}

#[tokio::test]
async fn memory_that_an_unusual_batch_took_is_given_back() {
    let directory = tempfile::tempdir().unwrap();
    let mut files = open(directory.path());
    files.outputs[0].push(&vec![b' '; 2 * KEPT_BYTES]);
    files.advance().await.unwrap();
    let [logs, ..] = &files.outputs;
    assert_eq!(logs.length, 2 * KEPT_BYTES as u64 + 1);
    assert!(logs.waiting.capacity() <= KEPT_BYTES, "{}", logs.waiting.capacity());
}

#[tokio::test]
async fn after_a_crash_nothing_is_there_twice_or_torn() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("logs.jsonl");
    let recorded = {
        let mut files = open(directory.path());
        write(&mut files, &[samples::log(1, 9)]).await;
        files.lengths()
    };
    let kept = fs::read(&path).unwrap();
    write(&mut open(directory.path()), &[samples::log(2, 9)]).await;
    let whole = fs::read(&path).unwrap();
    // The cursor was not kept; any part of the second batch may have reached the disk.
    for length in kept.len()..=whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let mut files = open(directory.path());
        files.resume(&recorded).unwrap();
        assert_eq!(fs::read(&path).unwrap(), kept);
        write(&mut files, &[samples::log(2, 9)]).await;
        assert_eq!(fs::read(&path).unwrap(), whole);
    }
}

#[tokio::test]
async fn a_file_that_no_cursor_knows_is_continued_on_a_new_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("logs.jsonl");
    fs::write(&path, "{\"torn\":").unwrap();
    let mut files = open(directory.path());
    files.resume(&[]).unwrap();
    write(&mut files, &[samples::log(1, 9)]).await;
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().next(), Some("{\"torn\":"));
    assert_eq!(text.lines().count(), 2);
}

#[tokio::test]
async fn full_files_are_put_aside_and_the_oldest_removed() {
    let directory = tempfile::tempdir().unwrap();
    let mut files = Jsonl::open(directory.path(), 1, 2).unwrap();
    assert!(!files.rotate().unwrap());
    for index in 1..=4 {
        write(&mut files, &[samples::log(index, 9)]).await;
        assert!(files.rotate().unwrap());
        // What a crash right here would find: a length that the new file does not have.
        let mut again = Jsonl::open(directory.path(), 1, 2).unwrap();
        again.resume(&[("logs.jsonl".to_owned(), 500)]).unwrap();
        assert_eq!(again.lengths(), files.lengths());
    }
    let file = |name: &str| directory.path().join(name);
    assert_eq!(seconds(&file("logs.jsonl.3")), ["03"]);
    assert_eq!(seconds(&file("logs.jsonl.4")), ["04"]);
    let mut names: Vec<_> =
        fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    let expected = ["logs.jsonl", "logs.jsonl.3", "logs.jsonl.4", "metrics.jsonl", "traces.jsonl"];
    assert_eq!(names, expected);
}

#[tokio::test]
async fn a_disk_that_refuses_is_told_and_the_lines_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let mut files = open(directory.path());
    write(&mut files, &[samples::log(1, 9)]).await;
    let writable = Arc::clone(&files.outputs[0].file);
    // A descriptor without the right to write stands for a full disk.
    files.outputs[0].file = Arc::new(File::open(directory.path().join("logs.jsonl")).unwrap());
    files.load(&[samples::log(2, 9)]);
    let stuck = files.advance().await.unwrap_err();
    assert!(matches!(stuck.reason, Reason::Disk(_)), "{stuck:?}");
    files.outputs[0].file = writable;
    files.advance().await.unwrap();
    assert_eq!(seconds(&directory.path().join("logs.jsonl")), ["01", "02"]);
}
