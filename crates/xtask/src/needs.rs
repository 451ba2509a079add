//! What the tests need beside Rust: Debian packages, the SDKs of OpenTelemetry, foreign verifiers.
//!
//! The tests send with real SDKs to a real Prometheus, and proofs are judged by programs that are
//! not ours, so these must be here. As root on Debian they are installed; anywhere else the chore
//! stops and says what is missing and how to get it. SDKs and verifiers go below `target/`, pinned
//! by the files in `tests/sdk` and `tests/verifiers`, and are installed again only when those files
//! change.

use std::fs;
use std::path::{Path, PathBuf};

use crate::command::{Failure, output, program, root, step, succeeds};
use crate::up::target_directory;

/// Finds out what is missing and gets it, or fails with the list.
pub(crate) fn provide() -> Result<(), Failure> {
    debian_packages()?;
    python_sdk()?;
    node_sdk()?;
    verifiers()?;
    s3_double()
}

/// A program from a Debian package, and who cannot do without it.
struct Need {
    probe: (&'static str, &'static [&'static str]),
    package: &'static str,
    why: &'static str,
}

const NEEDS: [Need; 15] = [
    Need { probe: ("cc", &["--version"]), package: "gcc", why: "aws-lc-sys and zstd-sys build C" },
    Need { probe: ("c++", &["--version"]), package: "g++", why: "libFuzzer is C++" },
    Need {
        probe: ("prometheus", &["--version"]),
        package: "prometheus",
        why: "remote write is proven against it",
    },
    Need {
        probe: ("prometheus-alertmanager", &["--version"]),
        package: "prometheus-alertmanager",
        why: "the desk is driven by it",
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
        probe: ("openssl", &["version"]),
        package: "openssl",
        why: "time stamps are proven against it",
    },
    Need {
        probe: ("strace", &["-V"]),
        package: "strace",
        why: "shows which sockets the enclave opens",
    },
    Need {
        probe: ("radosgw", &["--version"]),
        package: "radosgw",
        why: "the archive on S3 is proven against Ceph",
    },
    Need {
        probe: ("/usr/lib/postgresql/15/bin/postgres", &["--version"]),
        package: "postgresql-15",
        why: "the desk's storage is tested on it",
    },
    Need {
        probe: ("haproxy", &["-v"]),
        package: "haproxy",
        why: "a gate of the desk is proven against it",
    },
    Need { probe: ("ceph-mon", &["--version"]), package: "ceph-mon", why: "radosgw needs one" },
    Need { probe: ("ceph-osd", &["--version"]), package: "ceph-osd", why: "radosgw needs one" },
    Need {
        probe: ("valgrind", &["--version"]),
        package: "valgrind",
        why: "instructions a record are counted by it",
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
        install_python(&venv, &requirements)
    })
}

fn install_python(venv: &Path, requirements: &Path) -> Result<(), Failure> {
    step(program("python3").args(["-m", "venv", "--clear"]).arg(venv))?;
    let pip = venv.join("bin/pip");
    let mut install = program(&pip.to_string_lossy());
    install.args(["install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    step(install.arg(requirements))
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

/// `target/verifiers`: a virtual environment with the packages of `tests/verifiers`, and the
/// checker built by the Go toolchain that is one of them.
fn verifiers() -> Result<(), Failure> {
    let requirements = root().join("tests/verifiers/requirements.txt");
    let folder = target_directory().join("verifiers");
    let venv = folder.join("venv");
    unless_stamped(&venv, std::slice::from_ref(&requirements), || {
        install_python(&venv, &requirements)
    })?;
    let source = root().join("tests/verifiers/go");
    let mut files = files_of(&source)?;
    let copy = folder.join("go");
    let sources = files.clone();
    files.push(requirements);
    unless_stamped(&copy, &files, || {
        for file in &sources {
            copy_into(file, &copy)?;
        }
        let go_root = go_root(&venv)?;
        copy_x_mod(&go_root, &copy.join("xmod"))?;
        let mut build = program(&go_root.join("bin/go").to_string_lossy());
        build.args(["build", "-o", "checker", "."]).current_dir(&copy);
        // Nothing is fetched: what it needs is in the toolchain's own package.
        build.env("GOPROXY", "off").env("GOTOOLCHAIN", "local").env("GOFLAGS", "-mod=mod");
        step(build.env("GOCACHE", folder.join("go-cache")))
    })
}

/// `target/s3-double` with `moto`, for what Ceph does not do.
fn s3_double() -> Result<(), Failure> {
    let requirements = root().join("tests/s3/requirements.txt");
    let venv = target_directory().join("s3-double");
    unless_stamped(&venv, std::slice::from_ref(&requirements), || {
        install_python(&venv, &requirements)
    })
}

/// The Go toolchain in a virtual environment.
fn go_root(venv: &Path) -> Result<PathBuf, Failure> {
    let python = venv.join("bin/python3");
    let find = "import os, go; print(os.path.dirname(go.__file__))";
    let found = output(program(&python.to_string_lossy()).args(["-c", find]))?;
    Ok(PathBuf::from(found.trim()))
}

/// The toolchain carries `golang.org/x/mod` for its own use, without a `go.mod`.
fn copy_x_mod(go_root: &Path, folder: &Path) -> Result<(), Failure> {
    let x_mod = go_root.join("src/cmd/vendor/golang.org/x/mod");
    for part in ["sumdb/note", "sumdb/tlog"] {
        for file in files_of(&x_mod.join(part))? {
            copy_into(&file, &folder.join(part))?;
        }
    }
    let manifest = folder.join("go.mod");
    fs::write(&manifest, "module golang.org/x/mod\n\ngo 1.25\n")
        .map_err(|cause| Failure::File { path: manifest, cause })
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
