//! Registers of the Nitro format with the names that a policy gives them.

use lucarne_attest::classify::RegisterNames;
use lucarne_attest::{Register, Unverified};
use serde_json::{Map, Value, json};

/// Label and value of each register that holds something, then how many hold nothing.
pub(super) fn lines<'a>(
    pcrs: impl Iterator<Item = (&'a u8, &'a Register)>,
    names: &RegisterNames,
) -> Vec<(String, String)> {
    let (mut lines, mut zero) = (Vec::new(), 0_u32);
    for (index, value) in pcrs {
        if *value == Register::ZERO {
            zero += 1;
            continue;
        }
        let name = names.name(*index).map(|name| format!(" ({name})")).unwrap_or_default();
        lines.push((format!("PCR{index}"), format!("{value}{name}")));
    }
    if zero > 0 {
        lines.push(("PCRs at zero".to_owned(), zero.to_string()));
    }
    lines
}

/// Registers for programs.
pub(super) fn json<'a>(pcrs: impl Iterator<Item = (&'a u8, &'a Register)>) -> Value {
    let one = |(index, value): (&u8, &Register)| {
        (index.to_string(), Value::from(format!("sha384:{value}")))
    };
    Value::Object(pcrs.map(one).collect::<Map<_, _>>())
}

/// What a document of the Nitro format says, for programs.
pub(super) fn claims(read: &Unverified) -> Map<String, Value> {
    let hex = |bytes: &Option<Vec<u8>>| bytes.as_deref().map(lucarne_ledger::hash::to_hex);
    let claims = json!({
        "module_id": read.module_id,
        "time": read.time.to_string(),
        "pcrs": json(read.pcrs.iter()),
        "public_key": hex(&read.public_key),
        "user_data": hex(&read.user_data),
        "nonce": hex(&read.nonce),
        "root_sha256": read.root.to_string(),
    });
    match claims {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
