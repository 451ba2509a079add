//! The kernel's tree of reports (configfs-tsm) in a folder, with a machine of the test behind it.
//!
//! It is a file system of its own, spoken to by the kernel through /dev/fuse, because nothing less
//! behaves alike: a directory that somebody makes has its files at once, `generation` counts what
//! is written, a report is made when `outblob` is read, and a directory with files in it can be
//! removed. It needs the right to mount.

mod node;
mod wire;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use self::node::Nodes;
use self::wire::{Asked, Request};

/// What a guest's firmware does: a report over these bytes, and what the host hands out beside it.
pub type Provider = Arc<dyn Fn(&[u8; 64]) -> (Vec<u8>, Vec<u8>) + Send + Sync>;

/// Which guest it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Guest {
    /// `tdx_guest`: no levels of privilege and nothing beside the quote.
    Tdx,
    /// `sev_guest`.
    Sev,
}

/// A mounted tree; it is gone when this is dropped.
#[derive(Debug)]
pub struct TsmFolder {
    at: PathBuf,
    server: Option<JoinHandle<()>>,
}

impl TsmFolder {
    /// Mounts a tree on an empty folder.
    ///
    /// # Panics
    /// When it cannot be mounted: that takes /dev/fuse and CAP_SYS_ADMIN.
    #[must_use]
    pub fn mount(at: &Path, guest: Guest, provider: Provider) -> Self {
        let device = File::options().read(true).write(true).open("/dev/fuse").expect("/dev/fuse");
        let options =
            format!("fd={},rootmode=40000,user_id=0,group_id=0,allow_other\0", device.as_raw_fd());
        let options = std::ffi::CStr::from_bytes_with_nul(options.as_bytes()).expect("one zero");
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        mount("tsm", at, "fuse", flags, options).expect("the right to mount (run as root)");
        let server = thread::spawn(move || serve(device, &mut Nodes::new(guest, provider)));
        Self { at: at.to_owned(), server: Some(server) }
    }
}

impl Drop for TsmFolder {
    fn drop(&mut self) {
        // Somebody may still have a file open there; the server ends once the kernel lets go.
        unmount(&self.at, UnmountFlags::DETACH).ok();
        drop(self.server.take());
    }
}

/// Answers the kernel until it unmounts the tree.
fn serve(mut device: File, nodes: &mut Nodes) {
    let mut buffer = vec![0; wire::REQUEST_BYTES_MAX];
    while let Ok(count) = device.read(&mut buffer) {
        let Some(request) = Request::parse(&buffer[..count]) else { return };
        let unique = request.unique;
        let answer = match request.asked {
            Asked::Nothing => continue,
            asked => nodes.answer(request.node, &asked),
        };
        if device.write_all(&wire::reply(unique, answer)).is_err() {
            return;
        }
    }
}
