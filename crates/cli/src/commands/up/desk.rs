//! The desk of `lucarne up`: its configuration, four people with a key each, what its runbooks
//! mean here, and the way findings and pages go.
//!
//! Keys are drawn once and kept. A page goes to a receiver of this process, which writes it down,
//! so that what would wake somebody can be seen on a machine that wakes nobody. Nobody is made to
//! have signed or approved anything: that is left to whoever tries the demo.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

use super::catalogue::{Places, ROLE_KEYS};
use super::{key, shipped};
use crate::failure::Failure;

/// The desk of a site on this machine.
#[derive(Clone, Debug)]
pub(super) struct DeskSite {
    dir: PathBuf,
    /// Where it serves.
    pub(super) address: SocketAddr,
}

impl DeskSite {
    /// Draws keys and writes the configuration.
    ///
    /// # Errors
    /// When the directory cannot be written, or no port is free.
    pub(super) fn prepare(places: &Places<'_>, address: SocketAddr) -> Result<Self, Failure> {
        let site = Self { dir: places.dir.to_owned(), address: chosen(address)? };
        for folder in ["desk", "evidence"] {
            let folder = site.dir.join(folder);
            std::fs::create_dir_all(&folder).map_err(|cause| {
                Failure::unreadable(&format!("create {}", folder.display()), &cause)
            })?;
        }
        for name in KEYS {
            key::open_or_draw_token(&site.key(name))?;
        }
        for name in PAIRS {
            key::draw_pair(&site.dir.join("keys").join(name))?;
        }
        shipped::place(&site.dir.join("runbooks"))?;
        site.write("desk.yaml", &site.config(places.parts))?;
        site.write("catalogue.yaml", &places.catalogue())?;
        site.write("readiness.yaml", &places.readiness())?;
        site.write("baseline-policy.yaml", &site.baseline_policy()?)?;
        Ok(site)
    }

    /// The file with a key.
    pub(super) fn key(&self, name: &str) -> PathBuf {
        self.dir.join("keys").join(format!("desk-{name}"))
    }

    /// The token in it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn token(&self, name: &str) -> Result<String, Failure> {
        Ok(key::open_or_draw_token(&self.key(name))?.trim_end().to_owned())
    }

    /// Arguments of `lucarne` for the desk.
    pub(super) fn args(&self) -> Vec<OsString> {
        vec!["desk".into(), "--config".into(), self.dir.join("desk.yaml").into()]
    }

    /// Arguments of `lucarne` for the watch of the archive, which posts what it finds.
    pub(super) fn watch_args(&self, findings: SocketAddr) -> Vec<OsString> {
        let path = |name: &str| OsString::from(self.dir.join(name));
        // A demo is small: what is taken away from it is to be seen while one waits.
        let args = ["audit", "watch", "--every=2s", "--full-every=20s", "--records-dir"];
        let args = args.map(OsString::from);
        let more = [path("archive"), "--policy".into(), path("audit-policy.yaml")];
        let state = ["--state".into(), path("state/watch.json"), "--webhook".into()];
        let hook = [format!("http://{findings}/finding").into(), "--webhook-key".into()];
        let last = [self.key("watch").into()];
        args.into_iter().chain(more).chain(state).chain(hook).chain(last).collect()
    }

    /// Where pages are written down, a JSON object a line.
    pub(super) fn pages(&self) -> PathBuf {
        self.dir.join("desk/pages.jsonl")
    }

    /// The list of versions that may run, once somebody has proposed one.
    pub(super) fn baseline(&self) -> PathBuf {
        self.dir.join("baseline.yaml")
    }

    /// The policy of the archive, with the list of versions in the place of "any code": what was
    /// sealed by code that nobody approved is still wanted, and still an incident.
    fn baseline_policy(&self) -> Result<String, Failure> {
        let path = self.dir.join("audit-policy.yaml");
        let what = format!("read {}", path.display());
        let text =
            std::fs::read_to_string(&path).map_err(|cause| Failure::unreadable(&what, &cause))?;
        let mut measurements =
            "measurements:\n  baseline: baseline.yaml\n  approvers:\n".to_owned();
        for name in APPROVERS {
            let public = key::open_or_draw(&self.dir.join(format!("keys/approver-{name}")))?;
            measurements.push_str(&format!("  - {{ name: {name}, ed25519: \"{public}\" }}\n"));
        }
        Ok(text.replace("measurements: any-insecure\n", &measurements))
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Failure> {
        let path = self.dir.join(name);
        std::fs::write(&path, text)
            .map_err(|cause| Failure::unreadable(&format!("write {}", path.display()), &cause))
    }

    fn config(&self, pages: SocketAddr) -> String {
        let mut text = format!(
            "# Written by `lucarne up` at each start.\n\
             listen: {}\n\
             name: desk-1\n\
             identity: desk/identity\n\
             store: {{ sqlite: desk/desk.db }}\n\
             runs:\n  runbooks: runbooks\n  catalogue: catalogue.yaml\n  evidence: evidence\n  \
             sealing_key: keys/desk-sealing.pem\n  role_keys: {ROLE_KEYS}\n\
             channels:\n\
             - {{ name: pages, webhook: {{ url: \"http://{pages}/page\", \
             secret_file: keys/desk-pages }} }}\n\
             keys:\n\
             - {{ name: site, roles: [ source ], token_file: keys/desk-source }}\n\
             - {{ name: looker, roles: [ reader ], token_file: keys/desk-reader }}\n",
            self.address,
        );
        for (name, groups) in PEOPLE {
            text.push_str(&format!(
                "- name: operator-{name}\n  roles: [ responder, admin ]\n  \
                 token_file: keys/desk-{name}\n  \
                 person: {{ employee: '{name}', groups: [ {groups} ] }}\n"
            ));
        }
        text
    }
}

// A port of 0 is chosen here, because others are told where the desk is before it runs.
fn chosen(address: SocketAddr) -> Result<SocketAddr, Failure> {
    if address.port() != 0 {
        return Ok(address);
    }
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|bound| bound.local_addr());
    free.map_err(|cause| Failure::unreadable("find a port for the desk", &cause))
}

/// Whoever asks does not approve, and each group wants a human of its own: four are enough.
const PEOPLE: [(&str, &str); 4] = [
    ("a", "sre-lead, security"),
    ("b", "compliance, engineering-manager"),
    ("c", "on-call"),
    ("d", "ciso"),
];
/// What sends signals, whoever looks, four operators, the watch's signature, that of pages, and
/// what restarts parts.
const KEYS: [&str; 9] = ["source", "reader", "a", "b", "c", "d", "watch", "pages", "parts"];
/// What seals bags, and who signs runbooks.
const PAIRS: [&str; 4] = ["desk-sealing", "role-security", "role-compliance", "role-ciso"];
/// Whose approval of a version counts.
const APPROVERS: [&str; 2] = ["security", "ciso"];

#[cfg(test)]
mod tests {
    use super::*;
    use lucarne_desk::config::File;

    #[test]
    fn the_file_is_one_that_a_desk_reads() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("keys")).unwrap();
        let policy = "log_prefix: x\nmeasurements: any-insecure\nledgers: [ audit ]\n";
        std::fs::write(dir.path().join("audit-policy.yaml"), policy).unwrap();
        let at = |text: &str| text.parse().unwrap();
        let places = Places {
            dir: dir.path(),
            own: std::path::Path::new("/bin/lucarne"),
            gateway: at("127.0.0.1:7"),
            view: at("127.0.0.1:8"),
            parts: at("127.0.0.1:9"),
        };
        let site = DeskSite::prepare(&places, at("127.0.0.1:0")).unwrap();
        assert_ne!(site.address.port(), 0);
        let path = dir.path().join("desk.yaml");
        assert_eq!(File::read(&path).unwrap().listen, site.address);
        lucarne_desk::service::check(&path).unwrap();
        let policy = std::fs::read_to_string(dir.path().join("baseline-policy.yaml")).unwrap();
        assert!(policy.contains("  baseline: baseline.yaml\n") && !policy.contains("any-insecure"));
    }
}
