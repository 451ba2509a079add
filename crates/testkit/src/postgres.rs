//! A real PostgreSQL for one test: Debian's, in a folder of its own, on a socket in it.
//!
//! It needs the package `postgresql`. It refuses to work as root, so root hands it to `nobody`.

use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A server; it is gone when this is dropped.
#[derive(Debug)]
pub struct Postgres {
    dir: PathBuf,
    server: Child,
    password: Option<String>,
}

/// The user and group `nobody` of Debian.
const NOBODY: u32 = 65534;
/// For the server to answer.
const PATIENCE: Duration = Duration::from_secs(60);

impl Postgres {
    /// Starts a server with an empty database.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start() -> Self {
        Self::start_for(None)
    }

    /// The same, which lets nobody in without this password, by SCRAM-SHA-256.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start_with_password(password: &str) -> Self {
        Self::start_for(Some(password.to_owned()))
    }

    fn start_for(password: Option<String>) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("lucarne-pg-{}-{number}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir(&dir).expect("the folder can be made");
        let is_root = std::fs::metadata(&dir).expect("the folder is there").uid() == 0;
        if is_root {
            chown(&dir, Some(NOBODY), Some(NOBODY)).expect("root may hand it on");
        }
        std::fs::write(dir.join("password"), password.as_deref().unwrap_or("none"))
            .expect("the folder is there");
        let login = if password.is_some() { "scram-sha-256" } else { "trust" };
        let made = program("initdb", &dir, is_root)
            .args(["--no-sync", "-A", login, "--pwfile=password", "-U", "desk", "-D"])
            .arg(dir.join("data"))
            .status()
            .expect("install Debian package postgresql");
        assert!(made.success(), "initdb failed in {}", dir.display());
        let server = program("postgres", &dir, is_root)
            .args(["-c", "listen_addresses=", "-c", "fsync=off", "-D"])
            .arg(dir.join("data"))
            .arg("-k")
            .arg(&dir)
            .spawn()
            .expect("the server can be started");
        let server = Self { dir, server, password };
        server.wait();
        server
    }

    /// How a client finds it.
    #[must_use]
    pub fn url(&self) -> String {
        let password = self.password.as_ref().map(|it| format!(" password={it}"));
        let password = password.unwrap_or_default();
        format!("host={} user=desk dbname=postgres{password}", self.dir.display())
    }

    fn wait(&self) {
        let start = Instant::now();
        loop {
            let asked = Command::new("/usr/lib/postgresql/15/bin/pg_isready")
                .arg("-q")
                .arg("-h")
                .arg(&self.dir)
                .status();
            if asked.is_ok_and(|status| status.success()) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "no server in {}", self.dir.display());
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

fn program(name: &str, dir: &Path, is_root: bool) -> Command {
    let mut command = Command::new(Path::new("/usr/lib/postgresql/15/bin").join(name));
    command.current_dir(dir).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if is_root {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Its children end with it.
        self.server.kill().ok();
        self.server.wait().ok();
        std::fs::remove_dir_all(&self.dir).ok();
    }
}
