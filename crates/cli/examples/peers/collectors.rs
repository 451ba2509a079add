//! The others: how each is started, and the file that tells it to pass on or to redact.
//!
//! Redacting is, for each as far as its language goes: delete `p0`, `p1` and `p2`, hash
//! `tenantHash`, and search every value for the three patterns of the printed collector file.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::child::{Child, free_port};

/// Which collector.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Otelcol,
    Vector,
    FluentBit,
    Rotel,
    DfEngine,
}

/// In the order of the flags.
pub(crate) const KINDS: [Kind; 5] =
    [Kind::Otelcol, Kind::Vector, Kind::FluentBit, Kind::Rotel, Kind::DfEngine];

/// What it does with the load.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Work {
    /// Passes everything on.
    Passes,
    /// Looks for names of attributes.
    Names,
    /// Searches values, beside names where it knows them.
    Values,
}

/// A collector on this machine.
#[derive(Clone, Debug)]
pub(crate) struct Collector {
    pub(crate) kind: Kind,
    pub(crate) program: PathBuf,
}

/// A collector that takes OTLP/gRPC.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) otlp: SocketAddr,
    _dir: TempDir,
}

impl Kind {
    /// As people call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Otelcol => "otelcol-contrib",
            Self::Vector => "Vector",
            Self::FluentBit => "Fluent Bit",
            Self::Rotel => "Rotel",
            Self::DfEngine => "df_engine",
        }
    }

    /// What its file can tell it to do.
    pub(crate) const fn works(self) -> &'static [Work] {
        match self {
            Self::Otelcol | Self::Vector | Self::Rotel => &[Work::Passes, Work::Values],
            Self::FluentBit => &[Work::Passes, Work::Names],
            Self::DfEngine => &[Work::Passes, Work::Names, Work::Values],
        }
    }

    /// The same in words.
    pub(crate) const fn words(self, work: Work) -> &'static str {
        match (self, work) {
            (_, Work::Passes) => "passes everything on",
            (_, Work::Names) => "deletes three attributes, hashes one",
            (Self::Vector, Work::Values) => "three patterns",
            (Self::Rotel, Work::Values) => {
                "deletes three attributes, hashes one, three patterns, in Python"
            }
            (_, Work::Values) => "deletes three attributes, hashes one, three patterns",
        }
    }

    /// The end of the name of its file.
    pub(crate) const fn extension(self) -> &'static str {
        match self {
            Self::Rotel => "py",
            Self::Otelcol | Self::Vector | Self::FluentBit | Self::DfEngine => "yaml",
        }
    }

    /// Its file, with places to fill in.
    pub(crate) const fn file(self) -> &'static str {
        match self {
            Self::Otelcol => include_str!("config/otelcol.yaml"),
            Self::Vector => include_str!("config/vector.yaml"),
            Self::FluentBit => include_str!("config/fluent-bit.yaml"),
            Self::Rotel => include_str!("config/rotel.py"),
            Self::DfEngine => include_str!("config/df_engine.yaml"),
        }
    }
}

impl Collector {
    /// Starts it, with everything going to `sink`.
    ///
    /// # Errors
    /// In words, with what it said.
    pub(crate) fn start(&self, work: Work, sink: SocketAddr) -> Result<Running, String> {
        let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
        let (otlp, http) = (free_port()?, free_port()?);
        let text = written(self.kind.file(), work, [otlp, http, sink]);
        let file = dir.path().join(format!("config.{}", self.kind.extension()));
        std::fs::write(&file, text).map_err(|error| error.to_string())?;
        let mut command = self.command(&file, work, [otlp, http, sink]);
        command.current_dir(dir.path());
        let log = dir.path().join("log");
        let mut child = Child::start(self.kind.name(), &mut command, &log)?;
        child.listens(otlp, &log)?;
        Ok(Running { child, otlp, _dir: dir })
    }

    fn command(&self, file: &Path, work: Work, at: [SocketAddr; 3]) -> Command {
        let [otlp, http, sink] = at.map(|at| at.to_string());
        // A relative path is meant from where we are, and the collector runs elsewhere.
        let program = self.program.canonicalize().unwrap_or_else(|_| self.program.clone());
        let mut command = Command::new(program);
        match self.kind {
            Kind::Otelcol | Kind::Vector | Kind::DfEngine => {
                command.arg("--config").arg(file);
            }
            Kind::FluentBit => {
                command.arg("-c").arg(file);
            }
            Kind::Rotel => {
                command.args(["start", "--exporter", "otlp", "--otlp-exporter-protocol", "grpc"]);
                command.args(["--otlp-exporter-compression", "none"]);
                command.args(["--otlp-grpc-endpoint", &otlp, "--otlp-http-endpoint", &http]);
                command.args(["--otlp-exporter-endpoint", &format!("http://{sink}")]);
                if work != Work::Passes {
                    command.arg("--otlp-with-logs-processor").arg(file);
                }
            }
        }
        command
    }
}

/// The file with its places filled in. Lines that end in a comment of one word are for that work:
/// `# passes`, `# names`, `# values`, or `# redacts` for the last two.
pub(crate) fn written(text: &str, work: Work, [otlp, http, sink]: [SocketAddr; 3]) -> String {
    let others: &[&str] = match work {
        Work::Passes => &["# names", "# values", "# redacts"],
        Work::Names => &["# passes", "# values"],
        Work::Values => &["# passes", "# names"],
    };
    let is_for_it = |line: &&str| !others.iter().any(|other| line.ends_with(other));
    let kept: Vec<&str> = text.lines().filter(is_for_it).collect();
    let places = [
        ("{otlp}", otlp.to_string()),
        ("{otlp_port}", otlp.port().to_string()),
        ("{http}", http.to_string()),
        ("{sink}", sink.to_string()),
        ("{sink_port}", sink.port().to_string()),
    ];
    let mut text = kept.join("\n") + "\n";
    for (place, value) in places {
        text = text.replace(place, &value);
    }
    text
}
