//! `lucarne incident report`: the report as a file.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use clap::ValueEnum;

use crate::desk_client::DeskAt;
use crate::failure::{Exit, Failure};

/// Write the report of an incident, from recorded events
///
/// Without --dir it goes to standard output. A file is named by its newest entry, as
/// incident-report-YYYYMMDD-HHMMSS.md, and is never written over.
///
/// Example: lucarne incident report INC-1 --dir .
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The incident
    #[arg(value_name = "INC")]
    id: String,
    /// In which form
    #[arg(long, value_enum, default_value = "markdown")]
    form: Form,
    /// The folder for the file
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    #[command(flatten)]
    at: DeskAt,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Form {
    Markdown,
    Html,
    Json,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let made = args.at.open()?.get(&format!("/v1/incidents/{}/report", args.id))?;
    let text = |name: &str| made[name].as_str().unwrap_or_default().to_owned();
    let (end, body) = match args.form {
        Form::Markdown => ("md", text("markdown")),
        Form::Html => ("html", text("html")),
        Form::Json => ("json", format!("{}\n", made["report"])),
    };
    let Some(dir) = &args.dir else {
        out.write_all(body.as_bytes())?;
        return Ok(Exit::Yes);
    };
    let name = text("file");
    // The name comes from outside: it is a name and no path.
    let stem = name.strip_suffix(".md").filter(|stem| {
        stem.starts_with("incident-report-")
            && stem.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    });
    let stem = stem.ok_or_else(|| Failure::new(Exit::No, "the desk named no report file"))?;
    let path = dir.join(format!("{stem}.{end}"));
    let what = format!("write {}", path.display());
    let file = OpenOptions::new().write(true).create_new(true).open(&path);
    file.and_then(|mut file| file.write_all(body.as_bytes()))
        .map_err(|cause| Failure::unreadable(&what, &cause))?;
    writeln!(out, "{}", path.display())?;
    Ok(Exit::Yes)
}
