//! `expected-attestation.json`: registers as the seed of an incident procedure keeps them, so that
//! a plain `diff` of its `pcrs` with those of current evidence says whether anything moved.
//!
//! Values carry their kind in front (`sha384:`). Registers stand in the order of their numbers, in
//! which evidence is printed as well.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use lucarne_attest::Register;
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::read_file;
use crate::failure::Failure;

/// What such a file says.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Expected {
    /// Registers by number.
    pub(super) pcrs: BTreeMap<u8, Register>,
    /// Tag of the deployment, without its prefix.
    pub(super) deployment: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    digest: Option<String>,
    pcrs: BTreeMap<String, String>,
    #[serde(default)]
    user_data: Option<String>,
    // What follows is of one machine at one time, and no version can be held to it.
    #[serde(default, rename = "module_id")]
    _module_id: Value,
    #[serde(default, rename = "timestamp")]
    _timestamp: Value,
    #[serde(default, rename = "public_key")]
    _public_key: Value,
    #[serde(default, rename = "certificate")]
    _certificate: Value,
}

#[derive(Serialize)]
struct Printed<'a> {
    digest: &'static str,
    #[serde(serialize_with = "in_order")]
    pcrs: &'a BTreeMap<u8, Register>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_data: Option<String>,
}

impl Expected {
    /// Reads a file.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let bytes = read_file(path, FILE_BYTES_MAX)?;
        Self::parse(&bytes)
            .map_err(|problem| Failure::usage(format!("{}: {problem}", path.display())))
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let written: Written = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if written.digest.is_some_and(|digest| digest != DIGEST) {
            return Err(format!("digest: expected {DIGEST}"));
        }
        let mut pcrs = BTreeMap::new();
        for (index, value) in &written.pcrs {
            let number = index.parse::<u8>().ok().filter(|number| number.to_string() == *index);
            let value = value.strip_prefix(PREFIX).and_then(|digits| digits.parse().ok());
            match (number, value) {
                (Some(number), Some(value)) => pcrs.insert(number, value),
                (None, _) => return Err(format!("pcrs: {index} is not a number of a register")),
                (_, None) => {
                    return Err(format!("pcrs: {index}: expected {PREFIX} and 96 hex digits"));
                }
            };
        }
        // User data of another kind, such as a digest of keys, differs at each boot.
        let tag = written.user_data.as_deref().and_then(|data| data.strip_prefix(TAG_PREFIX));
        let deployment = tag.map(str::to_owned);
        Ok(Self { pcrs, deployment })
    }

    /// Prints the file.
    pub(super) fn print(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let user_data = self.deployment.as_ref().map(|tag| format!("{TAG_PREFIX}{tag}"));
        let printed = Printed { digest: DIGEST, pcrs: &self.pcrs, user_data };
        serde_json::to_writer_pretty(&mut *out, &printed).map_err(std::io::Error::from)?;
        Ok(writeln!(out)?)
    }
}

fn in_order<S: Serializer>(
    pcrs: &BTreeMap<u8, Register>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let pairs = pcrs.iter().map(|(index, value)| (index.to_string(), format!("{PREFIX}{value}")));
    serializer.collect_map(pairs)
}

const DIGEST: &str = "SHA384";
const PREFIX: &str = "sha384:";
/// What stands before the tag of a deployment, though it is no digest.
const TAG_PREFIX: &str = "sha256:";
/// 32 registers, a certificate with its chain and a key fit many times.
const FILE_BYTES_MAX: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_as_it_was_in_the_order_of_the_numbers() {
        let pcrs = [0, 2, 10, 11].map(|index| (index, Register([index; 48]))).into();
        let expected = Expected { pcrs, deployment: Some("deploy-v1.2.3".into()) };
        let mut out = Vec::new();
        expected.print(&mut out).unwrap();
        assert_eq!(Expected::parse(&out).unwrap(), expected);
        let text = String::from_utf8(out).unwrap();
        let places = ["\"0\"", "\"2\"", "\"10\"", "\"11\""].map(|key| text.find(key).unwrap());
        assert!(places.is_sorted(), "{text}");
    }

    #[test]
    fn what_is_not_of_the_form_is_refused_with_its_key() {
        let good = format!("{{\"pcrs\":{{\"0\":\"sha384:{}\"}}}}", "ab".repeat(48));
        assert_eq!(
            Expected::parse(good.as_bytes()).unwrap(),
            Expected { pcrs: [(0, Register([0xab; 48]))].into(), deployment: None }
        );
        for (old, new, said) in [
            ("\"0\"", "\"00\"", "number"),
            ("\"0\"", "\"+0\"", "number"),
            ("\"0\"", "\"256\"", "number"),
            ("sha384:", "", "sha384:"),
            ("sha384:ab", "sha384:", "96 hex digits"),
            ("{\"pcrs\"", "{\"digest\":\"SHA256\",\"pcrs\"", "SHA384"),
            ("\"pcrs\"", "\"registers\"", "registers"),
        ] {
            let message = Expected::parse(good.replace(old, new).as_bytes()).unwrap_err();
            assert!(message.contains(said), "{message}");
        }
    }
}
