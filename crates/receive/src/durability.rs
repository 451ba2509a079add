//! The header `lucarne-durability`, alike in OTLP/HTTP and as metadata of OTLP/gRPC.

use http::{HeaderMap, HeaderName};

use super::counters::Reason;
use super::refused::Refused;
use crate::intake::Durability;

/// What a caller asks for in a request, and what was reached in the answer.
pub const HEADER: HeaderName = HeaderName::from_static("lucarne-durability");

/// What the request asks for; `accepted` if it does not say.
pub(super) fn asked(headers: &HeaderMap) -> Result<Durability, Refused> {
    let mut values = headers.get_all(HEADER).iter();
    let (first, second) = (values.next(), values.next());
    let durability = match first.map(http::HeaderValue::as_bytes) {
        None | Some(b"accepted") => Some(Durability::Accepted),
        Some(b"sealed") => Some(Durability::Sealed),
        Some(b"archived") => Some(Durability::Archived),
        Some(b"witnessed") => Some(Durability::Witnessed),
        Some(_) => None,
    };
    durability.filter(|_| second.is_none()).ok_or_else(|| {
        Refused::new(
            Reason::Durability,
            "lucarne-durability must be one of accepted, sealed, archived, witnessed",
        )
    })
}

/// As the header spells it.
pub(super) const fn name(durability: Durability) -> &'static str {
    match durability {
        Durability::Accepted => "accepted",
        Durability::Sealed => "sealed",
        Durability::Archived => "archived",
        Durability::Witnessed => "witnessed",
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn ask(values: &[&'static [u8]]) -> Result<Durability, Reason> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, HeaderValue::from_bytes(value).unwrap());
        }
        asked(&headers).map_err(|refused| refused.reason)
    }

    #[test]
    fn each_level_is_read_as_it_is_spelt() {
        assert_eq!(ask(&[]), Ok(Durability::Accepted));
        for level in
            [Durability::Accepted, Durability::Sealed, Durability::Archived, Durability::Witnessed]
        {
            assert_eq!(ask(&[name(level).as_bytes()]), Ok(level));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for values in [&[b"".as_slice()][..], &[b"Sealed"], &[b"sealed "], &[b"\xff"]] {
            assert_eq!(ask(values), Err(Reason::Durability), "{values:?}");
        }
        assert_eq!(ask(&[b"sealed", b"archived"]), Err(Reason::Durability));
    }
}
