//! The arena: a directory with the valid archive, into which one case after the other is written,
//! judged by the real command, and taken back.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Parser;
use lucarne_archive::{Archive, Directory, Name};
use lucarne_cli::commands::audit::verify;
use lucarne_cli::failure::Exit;
use serde_json::Value;

use super::site::{Files, Site};

/// One copy of the archive and its policy.
pub(crate) struct Arena {
    dir: tempfile::TempDir,
    base: Files,
}

/// The folder of data keys, beside the archive.
pub(crate) const DATA_KEYS: &str = "data-keys";

/// The command line of `lucarne audit verify`.
#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: verify::Args,
}

impl Arena {
    /// Puts the site's archive into a directory of its own, by the archive's own contract.
    pub(crate) fn new(site: &Site, ledgers: &str) -> Self {
        let mut dir = tempfile::Builder::new();
        dir.prefix("lucarne-adversary-");
        // In memory where there is such a place: a campaign writes some files for each case.
        let memory = Path::new("/dev/shm");
        let dir = if memory.is_dir() { dir.tempdir_in(memory) } else { dir.tempdir() };
        let dir = dir.expect("a directory");
        fs::write(dir.path().join("policy.yaml"), site.policy(ledgers)).expect("room for a file");
        let archive = Directory::open(&dir.path().join("archive")).expect("an archive");
        for (name, bytes) in &site.files {
            // What lies beside the archive: roots of authorities, data keys.
            if name.starts_with("../") {
                continue;
            }
            let name: Name = name.parse().expect("a name of the archive");
            archive.put(&name, bytes).expect("room for a file");
        }
        let arena = Self { dir, base: site.files.clone() };
        for (name, bytes) in arena.base.iter().filter(|(name, _)| name.starts_with("../")) {
            arena.overwrite(name, bytes);
        }
        arena
    }

    /// The verdict on other files than those that are there, which come back afterwards.
    pub(crate) fn verdict(&self, files: &Files) -> (Exit, Value) {
        let changed: Vec<&String> = files
            .iter()
            .filter(|(name, bytes)| {
                !self.base.get(*name).is_some_and(|own| Arc::ptr_eq(own, bytes))
            })
            .map(|(name, _)| name)
            .collect();
        let removed: Vec<&String> =
            self.base.keys().filter(|name| !files.contains_key(*name)).collect();
        for name in &removed {
            fs::remove_file(self.path(name)).expect("it was there");
        }
        for name in &changed {
            self.overwrite(name, &files[*name]);
        }
        let verdict = self.audit(&["--jobs", "1"]);
        for name in changed.iter().chain(&removed) {
            match self.base.get(*name) {
                Some(own) => self.overwrite(name, own),
                None => fs::remove_file(self.path(name)).expect("it was written"),
            }
        }
        verdict
    }

    /// Runs `lucarne audit verify --output json` on what lies there.
    pub(crate) fn audit(&self, more: &[&str]) -> (Exit, Value) {
        let (archive, policy) =
            (self.dir.path().join("archive"), self.dir.path().join("policy.yaml"));
        let place = ["verify", "--output", "json", "--records-dir", text(&archive), "--policy"];
        let keys = self.dir.path().join(DATA_KEYS);
        let given = ["--keys", text(&keys)];
        let given: &[&str] = if keys.is_dir() { &given } else { &[] };
        let line = [&place[..], &[text(&policy)], given, more].concat();
        let line = Line::parse_from(line);
        let mut out = Vec::new();
        let exit = match verify::run_to(&line.args, &mut out, &|| false) {
            Ok(exit) => exit,
            Err(failure) => return (failure.exit(), Value::String(format!("{failure:?}"))),
        };
        (exit, serde_json::from_slice(&out).expect("a report is JSON"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("archive").join(name)
    }

    /// Gives a file other bytes, which stay there.
    pub(crate) fn overwrite(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).expect("a folder");
        }
        let mut file = fs::File::create(path).expect("a file");
        file.write_all(bytes).expect("room for a file");
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a temporary directory has a plain name")
}
