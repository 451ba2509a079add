//! What the tests need beside Rust: Debian packages, the Python and the Node SDK of OpenTelemetry.
//!
//! The tests send with real SDKs to a real Prometheus, so these must be here. As root on Debian
//! they are installed; anywhere else the chore stops and says what is missing and how to get it.
//! The SDKs go below `target/`, pinned by the files in `tests/sdk`, and are installed again only
//! when those files change.

use std::fs;
use std::path::{Path, PathBuf};

use crate::command::{Failure, program, root, step, succeeds};
use crate::up::target_directory;

/// Finds out what is missing and gets it, or fails with the list.
pub(crate) fn provide() -> Result<(), Failure> {
    debian_packages()?;
    python_sdk()?;
    node_sdk()
}

/// A program from a Debian package, and who cannot do without it.
struct Need {
    probe: (&'static str, &'static [&'static str]),
    package: &'static str,
    why: &'static str,
}

const NEEDS: [Need; 7] = [
    Need { probe: ("cc", &["--version"]), package: "gcc", why: "aws-lc-sys and zstd-sys build C" },
    Need { probe: ("c++", &["--version"]), package: "g++", why: "libFuzzer is C++" },
    Need {
        probe: ("prometheus", &["--version"]),
        package: "prometheus",
        why: "remote write is proven against it",
    },
    Need {
        probe: ("python3", &["-c", "import venv, ensurepip"]),
        package: "python3-venv",
        why: "the Python SDK sends to the enclave",
    },
    Need {
        probe: ("node", &["--version"]),
        package: "nodejs",
        why: "the Node SDK sends to the enclave",
    },
    Need { probe: ("npm", &["--version"]), package: "npm", why: "installs the Node SDK" },
    Need {
        probe: ("strace", &["-V"]),
        package: "strace",
        why: "shows which sockets the enclave opens",
    },
];

fn debian_packages() -> Result<(), Failure> {
    let missing: Vec<&Need> =
        NEEDS.iter().filter(|need| !succeeds(need.probe.0, need.probe.1)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !(is_root() && succeeds("apt-get", &["--version"])) {
        return Err(Failure::Missing(missing.into_iter().map(Need::advice).collect()));
    }
    apt(&["update"])?;
    let mut args = vec!["install", "--yes", "--no-install-recommends"];
    args.extend(missing.iter().map(|need| need.package));
    apt(&args)
}

impl Need {
    fn advice(&self) -> String {
        let Self { probe: (program, _), package, why } = self;
        format!("{program}, because {why}: apt-get install {package}")
    }
}

/// `RUNLEVEL=1` keeps Debian from starting the installed Prometheus as a service: the tests run
/// their own.
fn apt(args: &[&str]) -> Result<(), Failure> {
    let mut command = program("apt-get");
    step(command.args(args).env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1"))
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    // The owner of our own entry in /proc is the user we run as; no C call is needed to learn it.
    fs::metadata("/proc/self").is_ok_and(|entry| entry.uid() == 0)
}

/// `target/venv` with the packages of `tests/sdk/python/requirements.txt`.
fn python_sdk() -> Result<(), Failure> {
    let requirements = root().join("tests/sdk/python/requirements.txt");
    let venv = target_directory().join("venv");
    unless_stamped(&venv, std::slice::from_ref(&requirements), || {
        step(program("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
        let pip = venv.join("bin/pip");
        let mut install = program(&pip.to_string_lossy());
        install.args(["install", "--quiet", "--disable-pip-version-check", "--requirement"]);
        step(install.arg(&requirements))
    })
}

/// `target/node` with a copy of `tests/sdk/node` and its packages beside it, where Node looks for
/// them.
fn node_sdk() -> Result<(), Failure> {
    let source = root().join("tests/sdk/node");
    let copy = target_directory().join("node");
    let files = files_of(&source)?;
    unless_stamped(&copy, &files, || {
        for file in &files {
            copy_into(file, &copy)?;
        }
        // `ci` installs exactly what the lock file says, and fails if there is none.
        step(program("npm").args(NPM_INSTALL).current_dir(&copy))
    })
}

/// Runs `install` unless the folder carries a stamp with the very contents of the files; then
/// leaves one.
fn unless_stamped(
    folder: &Path,
    files: &[PathBuf],
    install: impl FnOnce() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut wanted = Vec::new();
    for file in files {
        let failed = |cause| Failure::File { path: file.clone(), cause };
        wanted.extend(fs::read(file).map_err(failed)?);
    }
    let stamp = folder.join("installed-from");
    if fs::read(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    install()?;
    fs::write(&stamp, wanted).map_err(|cause| Failure::File { path: stamp, cause })
}

fn files_of(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |cause| Failure::File { path: folder.to_owned(), cause };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn copy_into(file: &Path, folder: &Path) -> Result<(), Failure> {
    let failed = |cause| Failure::File { path: file.to_owned(), cause };
    fs::create_dir_all(folder).map_err(failed)?;
    let name = file.file_name().unwrap_or_default();
    fs::copy(file, folder.join(name)).map(|_| ()).map_err(failed)
}

/// Versions are pinned in `package.json`. A lock file would name the host of the registry.
const NPM_INSTALL: [&str; 4] = ["install", "--no-package-lock", "--no-audit", "--no-fund"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_names_program_reason_and_package() {
        let advice: Vec<String> = NEEDS.iter().map(Need::advice).collect();
        let prometheus = "prometheus, because remote write is proven against it: \
                          apt-get install prometheus";
        assert_eq!(advice[2], prometheus);
    }

    #[test]
    fn an_install_is_repeated_only_when_its_files_change() {
        let folder = target_directory().join("xtask-stamp-test");
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("requirements.txt");
        let runs = std::cell::Cell::new(0);
        let provide = || {
            let count = || {
                runs.set(runs.get() + 1);
                Ok(())
            };
            unless_stamped(&folder, std::slice::from_ref(&file), count).unwrap();
            runs.get()
        };
        fs::write(&file, "a==1").unwrap();
        assert_eq!((provide(), provide()), (1, 1));
        fs::write(&file, "a==2").unwrap();
        assert_eq!((provide(), provide()), (2, 2));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_failed_install_leaves_no_stamp() {
        let folder = target_directory().join("xtask-no-stamp-test");
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("requirements.txt");
        fs::write(&file, "a==1").unwrap();
        let failing = || Err(Failure::Missing(Vec::new()));
        unless_stamped(&folder, std::slice::from_ref(&file), failing).unwrap_err();
        assert!(!folder.join("installed-from").exists());
        fs::remove_dir_all(&folder).unwrap();
    }
}
