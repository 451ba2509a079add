//! Certificates in PEM (RFC 7468), in the one form that Intel writes: lines of 64 digits, no text
//! between.
//!
//! Nothing signs this text, so what it could say beside the certificates is refused. Quotes end it
//! with a zero byte, as C strings do; files may lack the last line feed.

use alloc::vec::Vec;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The certificates of a text, or nothing if it is something else.
///
/// Reads at most `count_max` and one more, so that a caller sees that there are too many.
pub(super) fn certificates(text: &[u8], count_max: usize) -> Option<Vec<Vec<u8>>> {
    let mut rest = text.strip_suffix(&[0]).unwrap_or(text);
    let mut read = Vec::new();
    while !rest.is_empty() && read.len() <= count_max {
        let (der, after) = certificate(rest)?;
        read.push(der);
        rest = after;
    }
    Some(read)
}

fn certificate(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut rest = text.strip_prefix(BEGIN)?;
    let mut digits = Vec::new();
    // Only the last line may be shorter.
    let mut full = true;
    while let Some(after) = line(rest) {
        let (line, after) = after;
        if line == END {
            return Some((STANDARD.decode(digits).ok()?, after));
        }
        if !full || line.is_empty() || line.len() > LINE_DIGITS {
            return None;
        }
        full = line.len() == LINE_DIGITS;
        digits.extend_from_slice(line);
        rest = after;
    }
    None
}

/// The next line, and what follows its end.
fn line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    if text.is_empty() {
        return None;
    }
    let end = text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
    let (line, after) = text.split_at_checked(end)?;
    Some((line, after.strip_prefix(b"\n").unwrap_or(after)))
}

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----\n";
const END: &[u8] = b"-----END CERTIFICATE-----";
const LINE_DIGITS: usize = 64;

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn text_is_read_in_one_form_only() {
        let long = "A".repeat(64);
        let text = alloc::format!(
            "-----BEGIN CERTIFICATE-----\n{long}\nAAAA\n-----END CERTIFICATE-----\n"
        );
        let read = |text: &str| certificates(text.as_bytes(), 2);
        let one = vec![0; 51];
        assert_eq!(read(&text), Some(vec![one.clone()]));
        assert_eq!(read(text.trim_end()), Some(vec![one.clone()]));
        assert_eq!(read(&[&text, "\0"].concat()), Some(vec![one.clone()]));
        assert_eq!(read(&text.repeat(9)), Some(vec![one; 3]));
        assert_eq!(read(""), Some(vec![]));
        for bad in [
            ["x\n", &text].concat(),
            [&text, "\n"].concat(),
            [&text, "\0\0"].concat(),
            text.replace('\n', "\r\n"),
            text.replace("AAAA\n-", "AA\nAA\n-"),
            text.replace("AAAA\n-", "AAAA \n-"),
            text.replace("AAAA\n-", "AAB=\n-"),
            text.replace("AAAA\n-", "AAA\n-"),
            text.replace("\nAAAA\n", "AAAA\n"),
            text.replace("\nAAAA\n", "\nAAAA\n\n"),
            text.replace("\nAAAA\n", "\n\n"),
            text.replace("-----END CERTIFICATE-----", "-----END X509 CERTIFICATE-----"),
            text.replace("-----END CERTIFICATE-----\n", ""),
        ] {
            assert_eq!(read(&bad), None, "{bad:?}");
        }
    }
}
