//! What `lucarne up` keeps under its directory, and the files that configure its parts.
//!
//! Written anew at each start from the command line, so that the files always say what runs; keys
//! and ledgers are kept. Refused: a directory that another `lucarne up` is using, for two enclaves
//! would share one root.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use lucarne_platform::Address;

use super::{inside, key};
use crate::failure::{Exit, Failure};

/// The directory of one site on this machine.
#[derive(Debug)]
pub struct Layout {
    dir: PathBuf,
    // Held until the process ends.
    _lock: File,
}

/// What the command line decides about a site.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// Where the enclave takes OTLP/gRPC.
    pub grpc: SocketAddr,
    /// Where the enclave takes OTLP/HTTP.
    pub http: SocketAddr,
    /// The gateway's pages.
    pub gateway: SocketAddr,
    /// Where the gateway's view answers; none when there is no view.
    pub view: Option<SocketAddr>,
    /// Where the workload can be asked whether it lives; none when there is none.
    pub workload: Option<SocketAddr>,
}

impl Layout {
    /// Creates the directory and the keys, and writes the files that need no fingerprint.
    ///
    /// # Errors
    /// When the directory is in use or cannot be written.
    pub fn prepare(dir: &Path, addresses: &Addresses) -> Result<Self, Failure> {
        create(dir)?;
        let dir = dir
            .canonicalize()
            .map_err(|cause| Failure::unreadable(&format!("open {}", dir.display()), &cause))?;
        let layout = Self { _lock: lock(&dir)?, dir };
        // Of all sockets this one has the longest path.
        inside::address(&layout.dir).parse::<Address>().map_err(|cause| {
            Failure::because(Exit::Usage, "place a socket in the directory", &cause)
                .hint("give a --data DIR with a shorter path")
        })?;
        for inner in ["tee", "keys", "archive", "export", "logs", "state"] {
            create(&layout.dir.join(inner))?;
        }
        let authority = inside::authority(&layout.dir)?;
        let acknowledgement = key::open_or_draw(&layout.key("acknowledgement"))?;
        key::open_or_draw(&layout.key("withholding"))?;
        key::open_or_draw(&layout.key("register"))?;
        key::open_or_draw_token(&layout.key("gate"))?;
        layout
            .write("tee/enclave.yaml", &layout.enclave(addresses, &acknowledgement, &authority))?;
        layout.write("vsock-proxy.yaml", &layout.allowlist())?;
        layout.write(OUTER_LAYER, lucarne_gateway::collector::SHIPPED)?;
        layout.write("gateway.yaml", &layout.gateway(addresses))?;
        Ok(layout)
    }

    /// Writes the policy that trusts the software root with this fingerprint.
    ///
    /// A policy that already trusts it is left alone: people explain unclean ends there.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn trust(&self, fingerprint: &str) -> Result<(), Failure> {
        let key = key::open_or_draw(&self.key("withholding"))?;
        let register = key::open_or_draw(&self.key("register"))?;
        let written = std::fs::read_to_string(self.dir.join(POLICY)).unwrap_or_default();
        if written.contains(fingerprint) && written.contains(&key) {
            return Ok(());
        }
        let text = format!(
            "# Written by `lucarne up`; kept while it names the root and the key of this site.\n\
             log_prefix: {LOG_PREFIX}\n\
             insecure: [ {{ kind: software, fingerprint: \"{fingerprint}\" }} ]\n\
             measurements: any-insecure\n\
             ledgers: [ audit, telemetry ]\n\
             withholding_keys: [ {{ name: outer-layer, ed25519: \"{key}\" }} ]\n\
             register: {{ ed25519: \"{register}\" }}\n"
        );
        self.write(POLICY, &text)
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What each process said on standard error.
    pub fn logs(&self) -> PathBuf {
        self.dir.join("logs")
    }

    /// The exporters' files.
    pub fn export(&self) -> PathBuf {
        self.dir.join("export")
    }

    /// The relay of the uplink, for people.
    pub fn relay(&self) -> String {
        format!("{} to {}", self.socket("proxy"), self.socket("gateway"))
    }

    /// The command that audits the archive; `own` is this program, which may not be in the path.
    pub fn audit_command(&self, own: &Path) -> String {
        let (own, dir) = (own.display(), self.dir.display());
        format!("{own} audit verify --records-dir {dir}/archive --policy {dir}/{POLICY}")
    }

    /// The file that says what enclave and archive must be.
    pub fn policy(&self) -> PathBuf {
        self.dir.join(POLICY)
    }

    /// Arguments of `lucarne-enclave`.
    pub fn enclave_args(&self) -> Vec<OsString> {
        vec!["--config".into(), self.dir.join("tee/enclave.yaml").into()]
    }

    /// Arguments of `lucarne` for the proxy.
    pub fn proxy_args(&self) -> Vec<OsString> {
        let list = self.dir.join("vsock-proxy.yaml");
        let (local, remote) = (self.socket("proxy"), self.socket("gateway"));
        let log_to = format!("--log-to={}", self.socket("log"));
        let config = ["proxy".into(), "--config".into(), list.into()];
        config.into_iter().chain([log_to, local, remote].map(OsString::from)).collect()
    }

    /// Arguments of `lucarne` for the gateway.
    pub fn gateway_args(&self) -> Vec<OsString> {
        vec!["gateway".into(), "--config".into(), self.dir.join("gateway.yaml").into()]
    }

    fn enclave(&self, addresses: &Addresses, acknowledgement: &str, authority: &str) -> String {
        let Addresses { grpc, http, workload, .. } = addresses;
        let probe = workload.map(|at| format!("workload: {{ check: \"tcp:{at}\" }}\n"));
        format!(
            "{WRITTEN}\
             instance: {INSTANCE}\n\
             log_prefix: {LOG_PREFIX}\n\
             tee: {{ insecure_software: {{ dir: software }} }}\n\
             otlp: {{ grpc: \"{grpc}\", http: \"{http}\" }}\n\
             uplink:\n  address: \"{}\"\n  acknowledgement_key: \"{acknowledgement}\"\n{}{}",
            self.socket("proxy"),
            probe.unwrap_or_default(),
            inside::access(&self.dir, authority),
        )
    }

    fn gateway(&self, addresses: &Addresses) -> String {
        let view = addresses.view.map(|at| {
            format!("- view: {{ http: \"{at}\", data: \"{}\" }}\n", self.dir.join("view").display())
        });
        format!(
            "{WRITTEN}\
             uplink: {{ address: \"{}\" }}\n\
             proxy_log: \"{}\"\n\
             trust: {POLICY}\n\
             keys:\n  acknowledgement: keys/acknowledgement\n  \
             withholding: keys/withholding\n  register: keys/register\n\
             archive: {{ directory: archive, close_after_ms: {CLOSE_AFTER_MS} }}\n\
             outer_layer: {{ on_hit: drop }}\ncollector: {OUTER_LAYER}\n\
             state: state\n\
             http: {{ address: \"{}\", gate_token_file: keys/gate }}\n\
             exporters:\n- jsonl: {{ dir: \"{}\" }}\n{}",
            self.socket("gateway"),
            self.socket("log"),
            addresses.gateway,
            self.export().display(),
            view.unwrap_or_default(),
        )
    }

    fn key(&self, name: &str) -> PathBuf {
        self.dir.join("keys").join(name)
    }

    fn allowlist(&self) -> String {
        let gateway = self.socket("gateway");
        let path = gateway.strip_prefix("unix:").unwrap_or(&gateway);
        format!("{WRITTEN}allowlist:\n- {{unix: \"{path}\"}}\n")
    }

    fn socket(&self, name: &str) -> String {
        format!("unix:{}", self.dir.join(format!("{name}.sock")).display())
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Failure> {
        let path = self.dir.join(name);
        std::fs::write(&path, text)
            .map_err(|cause| Failure::unreadable(&format!("write {}", path.display()), &cause))
    }
}

fn create(dir: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(dir)
        .map_err(|cause| Failure::unreadable(&format!("create {}", dir.display()), &cause))
}

fn lock(dir: &Path) -> Result<File, Failure> {
    let path = dir.join("up.lock");
    let what = format!("lock {}", path.display());
    let file = File::create(&path).map_err(|cause| Failure::unreadable(&what, &cause))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let text = format!("another lucarne up is using {}", dir.display());
            Err(Failure::new(Exit::Usage, text).hint("stop it, or give another --data DIR"))
        }
        Err(TryLockError::Error(cause)) => Err(Failure::unreadable(&what, &cause)),
    }
}

/// Records are exported once they are archived: whoever watches a demo does not wait the 10 s that
/// keep the objects of a real archive few.
const CLOSE_AFTER_MS: u32 = 1_000;
const POLICY: &str = "audit-policy.yaml";
const OUTER_LAYER: &str = "outer-layer.yaml";
/// Origin of the checkpoints of a machine that has no name of its own.
const LOG_PREFIX: &str = "lucarne.local";
/// The instance of the seeds.
pub(super) const INSTANCE: &str = "nitro-001-us-east";
const WRITTEN: &str = "# Written by `lucarne up` at each start.\n";

#[cfg(test)]
mod tests {
    use super::*;
    use lucarne_gateway::config::{ArchivePlace, Config};
    use lucarne_gateway::policy;
    use lucarne_gateway::proxy::allowlist::Allowlist;

    fn addresses() -> Addresses {
        let at = |text: &str| text.parse().unwrap();
        Addresses {
            grpc: at("127.0.0.1:4317"),
            http: at("127.0.0.1:4318"),
            gateway: at("127.0.0.1:8080"),
            view: Some(at("127.0.0.1:3100")),
            workload: Some(at("127.0.0.1:9999")),
        }
    }

    /// What the parts themselves make of the files; the enclave's is read in the end-to-end test.
    #[test]
    fn the_files_are_those_that_the_parts_read() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::prepare(dir.path(), &addresses()).unwrap();
        layout.trust(&"ab".repeat(32)).unwrap();

        let gateway = Config::load(&layout.dir().join("gateway.yaml")).unwrap();
        assert_eq!(gateway.uplink.value.to_string(), layout.socket("gateway"));
        assert_eq!(gateway.http.value, addresses().gateway);
        let lines = layout.socket("log");
        assert_eq!(gateway.proxy_log.unwrap().value.to_string(), lines);
        let handed_over = format!("--log-to={lines}");
        assert!(layout.proxy_args().contains(&handed_over.into()));
        let ArchivePlace::Directory(archive) = gateway.archive else { panic!("a bucket") };
        assert_eq!(archive, layout.dir().join("archive"));
        assert_eq!(gateway.state, layout.dir().join("state"));
        assert_eq!(gateway.exporters.len(), 2);
        let outer = std::fs::read_to_string(layout.dir().join(OUTER_LAYER)).unwrap();
        assert_eq!(outer, lucarne_gateway::collector::SHIPPED);
        assert_eq!(gateway.collector.unwrap().outlets.len(), 1);

        let list = Allowlist::load(&layout.dir().join("vsock-proxy.yaml")).unwrap();
        assert!(list.allows(&layout.socket("gateway").parse().unwrap()));
        assert!(!list.allows(&layout.socket("proxy").parse().unwrap()));

        let trust = policy::read(&gateway.trust.value).unwrap();
        assert_eq!((trust.attest.roots.len(), trust.audit.withholding_keys.len()), (1, 1));
        let enclave = std::fs::read_to_string(layout.dir().join("tee/enclave.yaml")).unwrap();
        assert!(enclave.contains("check: \"tcp:127.0.0.1:9999\""), "{enclave}");
    }

    #[test]
    fn a_policy_that_people_have_added_to_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::prepare(dir.path(), &addresses()).unwrap();
        layout.trust(&"ab".repeat(32)).unwrap();
        let policy = layout.dir().join(POLICY);
        let more = std::fs::read_to_string(&policy).unwrap() + "# explained by a person\n";
        std::fs::write(&policy, &more).unwrap();
        layout.trust(&"ab".repeat(32)).unwrap();
        assert_eq!(std::fs::read_to_string(&policy).unwrap(), more);
        layout.trust(&"cd".repeat(32)).unwrap();
        let text = std::fs::read_to_string(&policy).unwrap();
        assert!(text.contains(&"cd".repeat(32)) && !text.contains("explained"), "{text}");
    }

    #[test]
    fn two_sites_in_one_directory_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let _first = Layout::prepare(dir.path(), &addresses()).unwrap();
        let failure = Layout::prepare(dir.path(), &addresses()).unwrap_err();
        assert_eq!(failure.exit(), Exit::Usage);
        assert!(failure.text(false).starts_with("error: another lucarne up is using "));
    }

    #[test]
    fn a_path_too_long_for_a_socket_is_refused_before_anything_starts() {
        let dir = tempfile::tempdir().unwrap();
        let long = dir.path().join("d".repeat(120));
        let failure = Layout::prepare(&long, &addresses()).unwrap_err();
        assert_eq!(failure.exit(), Exit::Usage);
        let text = failure.text(false);
        assert!(text.contains("hint: give a --data DIR with a shorter path"), "{text}");
    }
}
