//! Collecting by a plan: what each item is, where it comes from, and who may read it.
//!
//! A text in which a secret can be found is kept without it, and its custody has both digests. What
//! is for the forensic team alone is encrypted as it is. A plan always names what a TEE gives to
//! nobody, so that no bag leaves it out.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::age::Recipient;
use super::draft::{Found, Outcome};
use super::item::UNAVAILABLE_BY_DESIGN;
use super::path::BagPath;
use super::{ITEM_BYTES_MAX, ITEMS_MAX, folder};
use crate::digest::Digest;
use crate::scrub::{Scrubbed, Scrubber};

/// Longest plan: a page that a person reviews.
const PLAN_BYTES_MAX: usize = 256 * 1024;
/// Lines of a file whose differences are looked for; the search is quadratic in what differs.
const DIFF_LINES_MAX: usize = 4000;

/// What is to be collected.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Age recipients of the encrypted compartment.
    #[serde(default)]
    recipients: Vec<String>,
    items: Vec<Planned>,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
struct Planned {
    id: BagPath,
    from: Source,
    /// Encrypted to the recipients, and not scrubbed.
    #[serde(default)]
    encrypt: bool,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Source {
    File(PathBuf),
    ConfigDiff(Pair),
    Unavailable(String),
    Denied(String),
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
struct Pair {
    before: PathBuf,
    after: PathBuf,
}

/// Why a text is no plan.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PlanError {
    /// Line, from 1; 0 when the plan as a whole is meant.
    pub line: u64,
    detail: String,
}

impl Plan {
    /// Reads a plan.
    ///
    /// # Errors
    /// When it is too long, no plan, encrypts to nobody, or names something twice.
    pub fn parse(yaml: &str) -> Result<Self, PlanError> {
        let fault = |line, detail: &str| PlanError { line, detail: detail.to_owned() };
        if yaml.len() > PLAN_BYTES_MAX {
            return Err(fault(0, "plan is longer than 256 KiB"));
        }
        let options = serde_saphyr::options! { with_snippet: false };
        let plan: Self = serde_saphyr::from_str_with_options(yaml, options).map_err(|error| {
            let line = error.location().map_or(0, |place| place.line());
            let text = error.without_snippet().to_string();
            let detail = text.rsplit_once(" at line ").map_or(text.as_str(), |(head, _)| head);
            fault(line, &detail.lines().collect::<Vec<_>>().join(", "))
        })?;
        let mut names: Vec<&BagPath> = plan.items.iter().map(|item| &item.id).collect();
        names.sort();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(fault(0, "an item is named twice"));
        }
        if plan.items.len() > ITEMS_MAX {
            return Err(fault(0, "plan has more than 10000 items"));
        }
        let nobody = plan.recipients.is_empty() && plan.items.iter().any(|item| item.encrypt);
        if nobody {
            return Err(fault(0, "an item is to be encrypted and there are no recipients"));
        }
        plan.recipients().map(|_| plan.clone())
    }

    /// Whether it names an item itself.
    pub fn names(&self, id: &BagPath) -> bool {
        self.items.iter().any(|item| item.id == *id)
    }

    fn recipients(&self) -> Result<Vec<Recipient>, PlanError> {
        let parse = |text: &String| {
            text.parse().map_err(|error: super::age::AgeError| PlanError {
                line: 0,
                detail: format!("recipients: {error}"),
            })
        };
        self.recipients.iter().map(parse).collect()
    }

    /// Goes to every source, relative paths from `base`, and says what came. `clock` gives
    /// milliseconds since 1970.
    pub fn collect(&self, base: &Path, scrubber: &Scrubber, clock: &dyn Fn() -> u64) -> Vec<Found> {
        let recipients = self.recipients().unwrap_or_default();
        let mut found = Vec::new();
        for item in &self.items {
            let started_ms = clock();
            let to = if item.encrypt { recipients.as_slice() } else { &[] };
            let (tool, outcome) = fetch(&item.from, base, scrubber, to);
            let tool = scrubber.scrub(&tool);
            let ended_ms = clock();
            found.push(Found { id: item.id.clone(), outcome, tool, started_ms, ended_ms });
        }
        for (id, reason) in UNAVAILABLE_BY_DESIGN {
            let now = clock();
            let Ok(id) = id.parse::<BagPath>() else { continue };
            if found.iter().all(|item| item.id != id) {
                let outcome = Outcome::UnavailableByDesign(scrubber.scrub(reason));
                let tool = scrubber.scrub("none");
                found.push(Found { id, outcome, tool, started_ms: now, ended_ms: now });
            }
        }
        found
    }
}

fn fetch(
    from: &Source,
    base: &Path,
    scrubber: &Scrubber,
    recipients: &[Recipient],
) -> (String, Outcome) {
    let read = |path: &Path| {
        folder::read(&base.join(path), ITEM_BYTES_MAX as u64).map_err(|error| {
            use std::error::Error as _;
            let cause = error.source().map_or_else(String::new, |cause| format!(": {cause}"));
            Outcome::Failed(scrubber.scrub(&format!("{error}{cause}")))
        })
    };
    match from {
        Source::File(path) => {
            let kept = read(path).map(|bytes| keep(bytes, scrubber, recipients));
            (format!("file {}", path.display()), kept.unwrap_or_else(|failed| failed))
        }
        Source::ConfigDiff(pair) => {
            let tool = format!("diff {} {}", pair.before.display(), pair.after.display());
            let both = read(&pair.before).and_then(|before| Ok((before, read(&pair.after)?)));
            let outcome = both.map(|(before, after)| match difference(&before, &after) {
                Some(text) if text.is_empty() => Outcome::Empty,
                Some(text) => keep(text.into_bytes(), scrubber, recipients),
                None => Outcome::Failed(scrubber.scrub("not two texts of at most 4000 lines")),
            });
            (tool, outcome.unwrap_or_else(|failed| failed))
        }
        Source::Unavailable(why) => {
            ("none".to_owned(), Outcome::UnavailableByDesign(scrubber.scrub(why)))
        }
        Source::Denied(why) => ("none".to_owned(), Outcome::Denied(scrubber.scrub(why))),
    }
}

pub(crate) fn keep(bytes: Vec<u8>, scrubber: &Scrubber, recipients: &[Recipient]) -> Outcome {
    if bytes.is_empty() {
        return Outcome::Empty;
    }
    let source = Digest::of(&bytes);
    let recipients = recipients.to_vec();
    let text = if recipients.is_empty() { std::str::from_utf8(&bytes).ok() } else { None };
    let bytes = match text {
        Some(text) => scrubber.scrub_whole(text).into_bytes(),
        None => bytes,
    };
    Outcome::Collected { bytes, source, recipients }
}

/// The lines that are only in one of two texts, `-` and `+` before them, by the longest common
/// subsequence; nothing when they are no texts or too long.
pub(crate) fn difference(before: &[u8], after: &[u8]) -> Option<String> {
    let lines = |bytes| std::str::from_utf8(bytes).ok().map(|text| text.lines().collect());
    let (old, new): (Vec<&str>, Vec<&str>) = (lines(before)?, lines(after)?);
    if old.len().max(new.len()) > DIFF_LINES_MAX {
        return None;
    }
    // common[i][j]: lines in common from old line i and new line j on
    let width = new.len() + 1;
    let mut common = vec![0_u32; (old.len() + 1) * width];
    let at = |i: usize, j: usize| i * width + j;
    for (i, one) in old.iter().enumerate().rev() {
        for (j, other) in new.iter().enumerate().rev() {
            common[at(i, j)] = if one == other {
                common[at(i + 1, j + 1)] + 1
            } else {
                common[at(i + 1, j)].max(common[at(i, j + 1)])
            };
        }
    }
    let (mut i, mut j, mut text) = (0, 0, String::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && common[at(i + 1, j)] >= common[at(i, j + 1)])
        {
            text.push_str(&format!("-{}: {}\n", i + 1, old[i]));
            i += 1;
        } else {
            text.push_str(&format!("+{}: {}\n", j + 1, new[j]));
            j += 1;
        }
    }
    Some(text)
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        f.write_str(&self.detail)
    }
}

impl std::error::Error for PlanError {}

/// A hand's texts, scrubbed.
pub fn hand(scrubber: &Scrubber, actor: &str, purpose: &str, wall_ms: u64) -> super::draft::Hand {
    let scrub = |text: &str| -> Scrubbed { scrubber.scrub(text) };
    super::draft::Hand { actor: scrub(actor), purpose: scrub(purpose), wall_ms }
}
