//! Scopes and spans as people write them: `instance=nitro-001-us-east` and `90m`.

use std::collections::BTreeMap;

use crate::failure::Failure;

/// One label of a scope.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Scope {
    name: String,
    text: String,
}

impl std::str::FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "expected NAME=VALUE such as instance=nitro-001-us-east".to_owned();
        let (name, value) = text.split_once('=').ok_or_else(expected)?;
        if name.is_empty() || value.is_empty() {
            return Err(expected());
        }
        Ok(Self { name: name.to_owned(), text: value.to_owned() })
    }
}

impl Scope {
    /// All labels by name.
    ///
    /// # Errors
    /// When a name is there twice.
    pub(crate) fn all(scopes: &[Self]) -> Result<BTreeMap<String, String>, Failure> {
        let mut all = BTreeMap::new();
        for Self { name, text } in scopes {
            if all.insert(name.clone(), text.clone()).is_some() {
                return Err(Failure::usage(format!("{name} is given twice")));
            }
        }
        Ok(all)
    }
}

/// Milliseconds of `90s`, `15m`, `2h` or `7d`.
///
/// # Errors
/// With what is expected.
pub(crate) fn span(text: &str) -> Result<u64, String> {
    let expected = || "expected a span such as 90s, 15m, 2h or 7d".to_owned();
    let (unit_at, unit) = text.char_indices().next_back().ok_or_else(expected)?;
    let unit_ms: u64 = match unit {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return Err(expected()),
    };
    let digits = text.get(..unit_at).unwrap_or_default();
    let plain = !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    let count = digits.parse::<u64>().ok().filter(|_| plain);
    count.and_then(|count| count.checked_mul(unit_ms)).ok_or_else(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_one_spelling() {
        let spans = ["90s", "15m", "2h", "7d"].map(|text| span(text).unwrap());
        assert_eq!(spans, [90_000, 900_000, 7_200_000, 604_800_000]);
        for wrong in
            ["", "s", "0m", "01h", "5", "5w", "+5m", "-1m", "1.5h", "18446744073709551615d"]
        {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_label_is_given_once() {
        let scope = |text: &str| text.parse::<Scope>();
        let all = Scope::all(&[scope("a=1").unwrap(), scope("b=x=y").unwrap()]).unwrap();
        let is = BTreeMap::from([("a", "1"), ("b", "x=y")].map(|(n, t)| (n.into(), t.into())));
        assert_eq!(all, is);
        assert!(Scope::all(&[scope("a=1").unwrap(), scope("a=2").unwrap()]).is_err());
        assert!(scope("a").is_err() && scope("=1").is_err() && scope("a=").is_err());
    }
}
