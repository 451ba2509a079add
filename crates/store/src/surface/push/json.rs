//! `{"streams":[{"stream":{…},"values":[["<ns>","line",{…}],…]}]}`

use std::collections::BTreeMap;

use lucarne_logql::labels::LabelSet;
use serde::Deserialize;
use serde_json::Value;

use super::PushError;
use crate::ingest::Row;

#[derive(Deserialize)]
struct Push {
    streams: Vec<Stream>,
}

#[derive(Deserialize)]
struct Stream {
    stream: BTreeMap<String, String>,
    values: Vec<Vec<Value>>,
}

pub(super) fn rows(body: &[u8]) -> Result<Vec<Row>, PushError> {
    // The text of serde quotes the body.
    let push: Push = serde_json::from_slice(body)
        .map_err(|_| PushError::Json("streams with stream and values"))?;
    let mut rows = Vec::new();
    for stream in push.streams {
        let labels = LabelSet::from_pairs(stream.stream);
        for value in stream.values {
            rows.push(row(&labels, &value)?);
        }
    }
    Ok(rows)
}

fn row(labels: &LabelSet, value: &[Value]) -> Result<Row, PushError> {
    let (time, line, metadata) = match value {
        [Value::String(time), Value::String(line)] => (time, line, None),
        [Value::String(time), Value::String(line), Value::Object(metadata)] => {
            (time, line, Some(metadata))
        }
        _ => return Err(PushError::Json("a value is a time, a line and perhaps metadata")),
    };
    let pair = |(name, value): (&String, &Value)| match value {
        Value::String(value) => Ok((name.clone(), value.clone())),
        _ => Err(PushError::Json("values of metadata are strings")),
    };
    Ok(Row {
        labels: labels.clone(),
        time_ns: time.parse().map_err(|_| PushError::Time)?,
        line: line.clone(),
        metadata: metadata.into_iter().flatten().map(pair).collect::<Result<_, _>>()?,
    })
}
