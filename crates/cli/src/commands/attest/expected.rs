//! The form in which expected and current attestations are compared with plain `diff`.
//!
//! Seven fields, values with a prefix that says how they are written. Registers come in the order
//! of their numbers, all that the document shows. A quote or a report has no module, no time of its
//! own and no certificate in it: the first is then its kind, the second when it was judged, the
//! third empty.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lucarne_attest::{EpochClaims, Unverified};
use lucarne_ledger::binding::EpochBinding;
use serde::Serialize;

/// A document of the Nitro format in seven fields.
#[derive(Debug, Serialize)]
pub(in crate::commands) struct Expected {
    module_id: String,
    /// Unix seconds.
    timestamp: u64,
    digest: &'static str,
    /// By number: JSON of this map keeps its order, `"2"` before `"10"`.
    pcrs: BTreeMap<u8, String>,
    public_key: Option<String>,
    certificate: String,
    user_data: Option<String>,
}

impl Expected {
    /// From a document, and the tag of the deployment if an epoch binding names one; otherwise user
    /// data is shown as it is.
    pub(in crate::commands) fn new(read: &Unverified, deployment: Option<&str>) -> Self {
        let base64 = |bytes: &[u8]| format!("base64:{}", STANDARD.encode(bytes));
        let own_data = || read.user_data.as_deref().map(base64);
        let registers = read.pcrs.iter();
        Self {
            module_id: read.module_id.clone(),
            timestamp: read.time.unix_seconds(),
            digest: "SHA384",
            pcrs: registers.map(|(index, value)| (*index, format!("sha384:{value}"))).collect(),
            public_key: read.public_key.as_deref().map(base64),
            certificate: base64(&read.certificate),
            user_data: deployment.map(|tag| format!("sha256:{tag}")).or_else(own_data),
        }
    }

    /// From verified evidence of a kind that is no document, and the binding that it is about.
    pub(in crate::commands) fn of_claims(claims: &EpochClaims, binding: &EpochBinding) -> Self {
        let registers = claims.registers.iter();
        Self {
            module_id: format!("{}-{}", claims.kind.as_str(), binding.instance),
            timestamp: claims.time().unix_seconds(),
            digest: "SHA384",
            pcrs: registers.map(|(index, value)| (*index, format!("sha384:{value}"))).collect(),
            public_key: Some(format!("base64:{}", STANDARD.encode(&binding.p256_spki))),
            certificate: String::new(),
            user_data: binding.deployment.as_ref().map(|tag| format!("sha256:{tag}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use lucarne_attest::read_unverified;
    use serde_json::Value;

    use super::*;

    fn form(evidence: &[u8], deployment: Option<&str>) -> Value {
        let read = read_unverified(evidence).unwrap();
        let text = serde_json::to_string(&Expected::new(&read, deployment)).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn it_has_the_seven_fields_with_prefixed_values() {
        let evidence = include_bytes!("../../../testdata/audit/first.evidence.cbor");
        let form = form(evidence, Some("deploy-v1.2.3"));
        let fields: Vec<&str> = form.as_object().unwrap().keys().map(String::as_str).collect();
        let mut expected =
            ["module_id", "timestamp", "digest", "pcrs", "public_key", "certificate", "user_data"];
        expected.sort_unstable();
        assert_eq!(fields, expected);
        assert_eq!(form["timestamp"], 1_779_703_200);
        assert_eq!(form["digest"], "SHA384");
        assert_eq!(form["user_data"], "sha256:deploy-v1.2.3");
        let pcr = form["pcrs"]["0"].as_str().unwrap();
        assert_eq!((pcr.len(), &pcr[..9]), (7 + 96, "sha384:e5"));
        let key = form["public_key"].as_str().unwrap();
        assert!(key.starts_with("base64:MFkwEwYHKoZIzj0CAQ"), "{key}");
        assert!(form["certificate"].as_str().unwrap().starts_with("base64:MII"));
    }

    #[test]
    fn without_a_tag_user_data_is_shown_as_it_is() {
        let evidence = include_bytes!("../../../testdata/audit/first.evidence.cbor");
        let read = read_unverified(evidence).unwrap();
        let data = format!("base64:{}", STANDARD.encode(read.user_data.unwrap()));
        assert_eq!(form(evidence, None)["user_data"], data.as_str());
    }
}
