//! Bytes to values: every encoding becomes text once, checked against its limits.

use super::{ABSENT, Column, DICTIONARY_MAX, Encoding, NOWHERE, Values, choose};
use crate::block::{BLOCK_BYTES_MAX, VALUE_BYTES_MAX};
use crate::cursor::{Cursor, Malformed, unzigzag};

impl Column {
    /// Reads the whole of a column of a block of `rows` rows.
    ///
    /// # Errors
    /// When no writer makes these bytes; what a place points at is checked when it is asked for.
    pub(crate) fn read(encoding: Encoding, bytes: &[u8], rows: usize) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(bytes);
        let present = read_presence(&mut cursor, rows)?;
        let values = match encoding {
            Encoding::Constant => {
                let value = cursor.text("constant", VALUE_BYTES_MAX)?;
                Values::Constant(value.to_owned(), present.mask.unwrap_or_else(|| vec![true; rows]))
            }
            Encoding::Dictionary => dictionary(&mut cursor, &present, rows)?,
            Encoding::Integer => {
                let mut last = 0_i64;
                rendered(&present, rows, |text| {
                    last = last.wrapping_add(unzigzag(cursor.varint()?));
                    choose::put_integer(last, text);
                    Ok(())
                })?
            }
            Encoding::Float => rendered(&present, rows, |text| {
                choose::put_float(f64::from_bits(u64::from_le_bytes(cursor.array()?)), text);
                Ok(())
            })?,
            Encoding::Timestamp => timestamps(&mut cursor, &present, rows)?,
            Encoding::Hex => {
                let length = usize::from(cursor.byte()?);
                rendered(&present, rows, |text| {
                    choose::put_hex(cursor.take(length)?, text);
                    Ok(())
                })?
            }
            Encoding::Text => texts(&mut cursor, &present, rows)?,
            Encoding::Place => places(&mut cursor, &present, rows)?,
        };
        cursor.finish()?;
        Ok(Self { values })
    }
}

/// Which rows have a value.
struct Presence {
    mask: Option<Vec<bool>>,
    count: usize,
}

impl Presence {
    fn has(&self, row: usize) -> bool {
        self.mask.as_ref().is_none_or(|mask| mask.get(row).is_some_and(|&has| has))
    }
}

fn read_presence(cursor: &mut Cursor<'_>, rows: usize) -> Result<Presence, Malformed> {
    let wrong = Malformed::NotCanonical { what: "presence" };
    match cursor.byte()? {
        0 => Ok(Presence { mask: None, count: rows }),
        1 => {
            let bits = cursor.take(rows.div_ceil(8))?;
            let mut mask: Vec<bool> =
                bits.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1)).collect();
            let surplus = mask.iter().skip(rows).any(|&has| has);
            mask.truncate(rows);
            let count = mask.iter().filter(|&&has| has).count();
            if surplus || count == rows || count == 0 {
                return Err(wrong);
            }
            Ok(Presence { mask: Some(mask), count })
        }
        _ => Err(wrong),
    }
}

fn dictionary(
    cursor: &mut Cursor<'_>,
    present: &Presence,
    rows: usize,
) -> Result<Values, Malformed> {
    let count = cursor.count("dictionary", DICTIONARY_MAX)?;
    let mut values: Vec<Box<str>> = Vec::with_capacity(count);
    for _ in 0..count {
        values.push(cursor.text("value", VALUE_BYTES_MAX)?.into());
    }
    let mut codes = Vec::with_capacity(rows);
    let mut seen = 0;
    for row in 0..rows {
        if !present.has(row) {
            codes.push(ABSENT);
            continue;
        }
        let code = if count > 256 {
            u16::from_le_bytes(cursor.array()?)
        } else {
            u16::from(cursor.byte()?)
        };
        // Numbers are given in the order of first use, and every value is used.
        if usize::from(code) > seen || usize::from(code) >= count {
            return Err(Malformed::NotCanonical { what: "dictionary" });
        }
        seen += usize::from(usize::from(code) == seen);
        codes.push(code);
    }
    if seen != count || count < 2 {
        return Err(Malformed::NotCanonical { what: "dictionary" });
    }
    Ok(Values::Dictionary(codes, values))
}

/// Values that are spelled one after the other.
fn rendered(
    present: &Presence,
    rows: usize,
    mut next: impl FnMut(&mut String) -> Result<(), Malformed>,
) -> Result<Values, Malformed> {
    let mut places = Vec::with_capacity(rows);
    let mut text = String::with_capacity(present.count.saturating_mul(8));
    for row in 0..rows {
        if !present.has(row) {
            places.push((NOWHERE, NOWHERE));
            continue;
        }
        let start = text.len();
        next(&mut text)?;
        if text.len() > RENDERED_BYTES_MAX {
            let (got, max) = (text.len() as u64, RENDERED_BYTES_MAX as u64);
            return Err(Malformed::Limit { what: "column", got, max });
        }
        places.push(place(start, text.len())?);
    }
    Ok(Values::Text(places, text))
}

/// A rendered value is at most some 330 bytes (a double), but no writer makes such columns whole:
/// the values it read had this many bytes at most.
const RENDERED_BYTES_MAX: usize = BLOCK_BYTES_MAX;

fn timestamps(
    cursor: &mut Cursor<'_>,
    present: &Presence,
    rows: usize,
) -> Result<Values, Malformed> {
    let decimals = cursor.byte()?;
    let mut last = 0_i64;
    rendered(present, rows, |text| {
        last = last.wrapping_add(unzigzag(cursor.varint()?));
        if choose::put_timestamp(decimals, last, text) {
            return Ok(());
        }
        Err(Malformed::NotCanonical { what: "timestamp" })
    })
}

fn texts(cursor: &mut Cursor<'_>, present: &Presence, rows: usize) -> Result<Values, Malformed> {
    let mut places = Vec::with_capacity(rows);
    let mut end = 0_usize;
    for row in 0..rows {
        if !present.has(row) {
            places.push((NOWHERE, NOWHERE));
            continue;
        }
        let start = end;
        end += cursor.count("value", VALUE_BYTES_MAX)?;
        places.push(place(start, end)?);
    }
    let text = std::str::from_utf8(cursor.take(end)?).map_err(|_| Malformed::Utf8)?;
    Ok(Values::Text(places, text.to_owned()))
}

fn places(cursor: &mut Cursor<'_>, present: &Presence, rows: usize) -> Result<Values, Malformed> {
    let mut starts = Vec::with_capacity(present.count);
    for _ in 0..present.count {
        starts.push(cursor.count("place", VALUE_BYTES_MAX)?);
    }
    let mut starts = starts.into_iter().peekable();
    let mut places = Vec::with_capacity(rows);
    for row in 0..rows {
        match starts.next_if(|_| present.has(row)) {
            None => places.push((NOWHERE, NOWHERE)),
            Some(start) => {
                let length = cursor.count("value", VALUE_BYTES_MAX)?;
                places.push(place(start, start + length)?);
            }
        }
    }
    Ok(Values::Place(places))
}

fn place(start: usize, end: usize) -> Result<(u32, u32), Malformed> {
    let narrow = |at: usize| match u32::try_from(at) {
        Ok(at) if at != NOWHERE => Ok(at),
        Ok(_) | Err(_) => {
            Err(Malformed::Limit { what: "place", got: at as u64, max: u64::from(NOWHERE) })
        }
    };
    Ok((narrow(start)?, narrow(end)?))
}
