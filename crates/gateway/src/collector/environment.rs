//! What the collector's file takes from the environment: `${env:NAME}`, `${NAME}` and
//! `${env:NAME:-default}`; `$$` is one dollar sign.
//!
//! A variable that is not set and has no default is refused: the collector makes it an empty text,
//! and an empty pattern or endpoint is a hole. Other sources (`${file:…}`) are refused.

use std::fmt;

/// Where values of variables come from; the process's environment, or a test's.
pub(crate) type Lookup<'l> = &'l dyn Fn(&str) -> Option<String>;

/// Why a text cannot be completed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum ExpandError {
    /// `${` without `}`.
    Open,
    /// Not a name.
    Name(String),
    /// Not set, and no default.
    Unset(String),
    /// Another source than the environment.
    Source(String),
}

impl fmt::Display for ExpandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => write!(f, "`${{` has no closing brace; a dollar sign is written `$$`"),
            Self::Name(name) => write!(f, "{name:?} is not the name of a variable"),
            Self::Unset(name) => write!(
                f,
                "the environment has no variable {name}; \
                 the nearest supported is `${{env:{name}:-default}}`"
            ),
            Self::Source(source) => write!(
                f,
                "`${{{source}:…}}` is not supported; the nearest supported is `${{env:NAME}}`"
            ),
        }
    }
}

/// Puts in what a text takes from the environment.
pub(crate) fn expand(text: &str, lookup: Lookup<'_>) -> Result<String, ExpandError> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(after) = after.strip_prefix('{') {
            let (name, after) = after.split_once('}').ok_or(ExpandError::Open)?;
            out.push_str(&value(name, lookup)?);
            rest = after;
        } else {
            // The end of a pattern, most of the time.
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn value(written: &str, lookup: Lookup<'_>) -> Result<String, ExpandError> {
    let named = written.strip_prefix("env:").unwrap_or(written);
    let (name, default) = match named.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (named, None),
    };
    if let Some((source, _)) = name.split_once(':') {
        return Err(ExpandError::Source(source.to_owned()));
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(is_name) || name.starts_with(|c: char| c.is_numeric()) {
        return Err(ExpandError::Name(name.to_owned()));
    }
    let found = lookup(name).filter(|value| !value.is_empty());
    found.or_else(|| default.map(str::to_owned)).ok_or_else(|| ExpandError::Unset(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, ExpandError>) {
        let lookup = |name: &str| (name == "LOKI").then(|| "loki.local".to_owned());
        assert_eq!(expand(text, &lookup), expected.map(str::to_owned));
    }

    #[test]
    fn variables_are_put_in_as_the_collector_writes_them() {
        check("http://${env:LOKI}:3100/", Ok("http://loki.local:3100/"));
        check("${LOKI}", Ok("loki.local"));
        check("${env:NONE:-other}${LOKI:-x}", Ok("otherloki.local"));
        check("a$$b$${LOKI}", Ok("a$b${LOKI}"));
        check("^[0-9]{16}$", Ok("^[0-9]{16}$"));
    }

    #[test]
    fn what_has_no_value_is_refused() {
        check("${env:NONE}", Err(ExpandError::Unset("NONE".into())));
        check("${file:/etc/passwd}", Err(ExpandError::Source("file".into())));
        check("${", Err(ExpandError::Open));
        check("${env:}", Err(ExpandError::Name(String::new())));
    }
}
