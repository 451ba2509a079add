//! Remote write 2.0 (`io.prometheus.write.v2.Request`), made from the message of 1.0.
//!
//! In 2.0 all texts of a request stand in one table, so its series cannot be put together from
//! parts that know nothing of each other. Series therefore wait in the form of 1.0, with what only
//! 2.0 says in two fields of our own, and are written anew when the request is complete.

use std::collections::HashMap;

use lucarne_otlp::wire::{Reader, Value, WireError, Writer};

use super::About;

/// Adds what only 2.0 says to a waiting series.
pub(super) fn write_about(about: Option<&About>, series: &mut Writer<'_>) {
    if let Some(about) = about {
        series.varint(KIND, about.kind);
        if about.created_ms > 0 {
            series.varint(CREATED, about.created_ms.cast_unsigned());
        }
    }
}

/// The request of 2.0 for a `WriteRequest` of 1.0; empty when it is none, which it always is.
pub(crate) fn request(first: &[u8]) -> Vec<u8> {
    Table::default().request(first).unwrap_or_default()
}

/// The texts of a request. The first is always the empty one.
#[derive(Default)]
struct Table<'a> {
    places: HashMap<&'a [u8], u64>,
    texts: Vec<&'a [u8]>,
}

impl<'a> Table<'a> {
    fn place(&mut self, text: &'a [u8]) -> u64 {
        if text.is_empty() {
            return 0;
        }
        *self.places.entry(text).or_insert_with(|| {
            self.texts.push(text);
            self.texts.len() as u64
        })
    }

    fn request(mut self, first: &'a [u8]) -> Result<Vec<u8>, WireError> {
        let mut series = Vec::new();
        let mut all = Reader::new(first);
        while let Some(field) = all.next_field()? {
            let Value::Bytes(message) = field.value else { continue };
            let mut out = Vec::new();
            self.series(message, &mut Writer::new(&mut out))?;
            series.push(out);
        }
        let mut out = Vec::with_capacity(first.len());
        let mut writer = Writer::new(&mut out);
        writer.bytes(4, b"");
        self.texts.iter().for_each(|text| writer.bytes(4, text));
        series.iter().for_each(|series| writer.bytes(5, series));
        Ok(out)
    }

    fn series(&mut self, message: &'a [u8], out: &mut Writer<'_>) -> Result<(), WireError> {
        let mut labels = Vec::new();
        let mut samples: Vec<(u32, &[u8])> = Vec::new();
        let (mut kind, mut created) = (0, 0);
        let mut fields = Reader::new(message);
        while let Some(field) = fields.next_field()? {
            match (field.number, field.value) {
                (1, Value::Bytes(pair)) => {
                    let mut pair = Reader::new(pair);
                    while let Some(text) = pair.next_field()? {
                        let Value::Bytes(text) = text.value else { continue };
                        labels.push(self.place(text));
                    }
                }
                (2, Value::Bytes(sample)) => samples.push((2, sample)),
                (4, Value::Bytes(histogram)) => samples.push((3, histogram)),
                (KIND, Value::Varint(number)) => kind = number,
                (CREATED, Value::Varint(number)) => created = number,
                _ => {}
            }
        }
        out.message(1, |out| labels.iter().for_each(|place| out.packed_varint(*place)));
        samples.iter().for_each(|(number, sample)| out.bytes(*number, sample));
        out.message(5, |metadata| metadata.varint(1, kind));
        if created != 0 {
            out.varint(6, created);
        }
        Ok(())
    }
}

/// Fields of a waiting series that neither version has.
const KIND: u32 = 1000;
const CREATED: u32 = 1001;
