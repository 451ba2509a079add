//! The desk of `lucarne up`: its configuration, two people with a key each, and the way findings
//! and pages go.
//!
//! Keys are drawn once and kept. A page goes to a receiver of this process, which writes it down,
//! so that what would wake somebody can be seen on a machine that wakes nobody.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use super::key;
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
    pub(super) fn prepare(
        dir: &Path,
        address: SocketAddr,
        pages: SocketAddr,
    ) -> Result<Self, Failure> {
        let site = Self { dir: dir.to_owned(), address: chosen(address)? };
        let folder = dir.join("desk");
        std::fs::create_dir_all(&folder).map_err(|cause| {
            Failure::unreadable(&format!("create {}", folder.display()), &cause)
        })?;
        for name in KEYS {
            key::open_or_draw_token(&site.key(name))?;
        }
        let path = dir.join("desk.yaml");
        std::fs::write(&path, site.config(pages))
            .map_err(|cause| Failure::unreadable(&format!("write {}", path.display()), &cause))?;
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
        let args = ["audit", "watch", "--every=2s", "--records-dir"].map(OsString::from);
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

    fn config(&self, pages: SocketAddr) -> String {
        format!(
            "# Written by `lucarne up` at each start.\n\
             listen: {}\n\
             name: desk-1\n\
             identity: desk/identity\n\
             store: {{ sqlite: desk/desk.db }}\n\
             keys:\n\
             - {{ name: site, roles: [ source ], token_file: keys/desk-source }}\n\
             - {{ name: looker, roles: [ reader ], token_file: keys/desk-reader }}\n\
             - name: operator-a\n  roles: [ responder, admin ]\n  token_file: keys/desk-a\n  \
             person: {{ employee: 'a', groups: [ on-call, sre-lead, security, ciso ] }}\n\
             - name: operator-b\n  roles: [ responder, admin ]\n  token_file: keys/desk-b\n  \
             person: {{ employee: 'b', groups: [ compliance, engineering-manager ] }}\n\
             channels:\n\
             - {{ name: pages, webhook: {{ url: \"http://{pages}/page\", \
             secret_file: keys/desk-pages }} }}\n",
            self.address,
        )
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

/// What sends signals, whoever looks, two operators, the watch's signature and that of pages.
const KEYS: [&str; 6] = ["source", "reader", "a", "b", "watch", "pages"];

#[cfg(test)]
mod tests {
    use super::DeskSite;
    use lucarne_desk::config::File;

    #[test]
    fn the_file_is_one_that_a_desk_reads() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("keys")).unwrap();
        let at = |text: &str| text.parse().unwrap();
        let site = DeskSite::prepare(dir.path(), at("127.0.0.1:0"), at("127.0.0.1:9")).unwrap();
        assert_ne!(site.address.port(), 0);
        let path = dir.path().join("desk.yaml");
        assert_eq!(File::read(&path).unwrap().listen, site.address);
        lucarne_desk::service::check(&path).unwrap();
    }
}
