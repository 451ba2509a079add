//! What is proven on the Python double `moto` alone: it honours `If-None-Match` where Ceph 16 does
//! not, and checks for the checksum header that AWS wants. Nothing about locks is proven on it,
//! since it lets a COMPLIANCE retention be shortened.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use lucarne_archive::s3::Settings;
use lucarne_archive::s3::settings::Checksum;
use lucarne_archive::{Archive as _, Put, S3};

use crate::proxy::Proxy;
use crate::s3::{BUCKET, create_bucket, file, read, seal};

/// A server of the double; it ends with this.
struct Double {
    server: Child,
    port: u16,
    keys: tempfile::NamedTempFile,
}

impl Double {
    fn start() -> Self {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let program = target.join("s3-double/bin/moto_server");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Command::new(&program)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}; cargo xtask test", program.display()));
        let mut lines = BufReader::new(server.stderr.take().unwrap()).lines();
        let ready = lines.by_ref().map_while(Result::ok).any(|line| line.contains("Running on"));
        assert!(ready, "moto did not start");
        // What it says for each request would otherwise fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let keys = tempfile::NamedTempFile::new().unwrap();
        let text = "[default]\naws_access_key_id=a\naws_secret_access_key=b\n";
        std::fs::write(keys.path(), text).unwrap();
        Self { server, port, keys }
    }

    fn settings(&self, endpoint: &str, checksum: Checksum) -> Settings {
        let mut written = file(endpoint, self.keys.path(), BUCKET, "");
        written.checksum = checksum;
        Settings::check(written, Path::new("/")).unwrap()
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

#[test]
fn where_puts_are_conditional_the_slower_of_two_writers_adds_nothing() {
    let double = Double::start();
    let store = ([127, 0, 0, 1], double.port).into();
    let direct = format!("http://127.0.0.1:{}", double.port);
    for (number, checksum) in [(0, Checksum::Sha256), (100, Checksum::Md5)] {
        let open = |endpoint: &str| S3::open(double.settings(endpoint, checksum));
        if number == 0 {
            let s3 = S3::open_read_only(double.settings(&direct, checksum)).unwrap();
            create_bucket(&s3, BUCKET, true);
        }
        let proxy = Proxy::before(store);
        let ours = open(&proxy.endpoint()).unwrap();
        for (number, theirs, put) in
            [(number, b"content", Put::AlreadyIdentical), (number + 10, b"CONTENT", Put::Different)]
        {
            let other = open(&Proxy::before(store).endpoint()).unwrap();
            proxy.before_put(move || {
                assert_eq!(other.put(&seal(number), theirs).unwrap(), Put::Created);
            });
            assert_eq!(ours.put(&seal(number), b"content").unwrap(), put, "{checksum:?}");
            assert_eq!(ours.versions(&seal(number).to_string()).count(), 1, "412, so only theirs");
            assert_eq!(read(&ours, &seal(number)), theirs);
        }
    }
}
