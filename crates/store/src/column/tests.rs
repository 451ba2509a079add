//! Every encoding gives back what went in, and is chosen when it should be.

use super::*;

fn written(cells: &[Option<&'static str>]) -> (Encoding, Vec<u8>) {
    let mut column = Cells::default();
    for (row, cell) in (0..).zip(cells) {
        if let Some(value) = cell {
            column.push(row, value);
        }
    }
    let mut out = Vec::new();
    let encoding = encode(&column, cells.len(), &mut |_| (), &mut out);
    (encoding, out)
}

#[track_caller]
fn check(cells: &[Option<&'static str>], expected: Encoding) {
    let (encoding, bytes) = written(cells);
    assert_eq!(encoding, expected);
    let column = Column::read(encoding, &bytes, cells.len()).unwrap();
    let read: Vec<_> = (0..cells.len()).map(|row| column.get(row, "")).collect();
    assert_eq!(read, cells);
    assert_eq!(column.get(cells.len(), ""), None);
    // A reader that stops early, or is given more, notices.
    for end in 0..bytes.len() {
        assert!(Column::read(encoding, &bytes[..end], cells.len()).is_err(), "cut at {end}");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(Column::read(encoding, &longer, cells.len()).is_err());
}

/// Many different values, so that no dictionary is worth it.
fn many(make: impl Fn(u64) -> String) -> Vec<Option<&'static str>> {
    (0..200_u64).map(|n| Some(&*make(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20).leak())).collect()
}

#[test]
fn few_values_are_numbered() {
    check(&[Some("x"), Some("x")], Encoding::Constant);
    check(&[None, Some("x"), None], Encoding::Constant);
    check(&[Some(""), Some("")], Encoding::Constant);
    check(&[Some("a"), Some("b"), None, Some("a")], Encoding::Dictionary);
    let wide: Vec<_> = (0..2000).map(|n| Some(&*format!("v{}", n % 400).leak())).collect();
    check(&wide, Encoding::Dictionary);
}

#[test]
fn many_values_take_their_type() {
    check(&many(|n| n.to_string()), Encoding::Integer);
    check(&many(|n| format!("-{}", n + 1)), Encoding::Integer);
    check(&many(|n| format!("{n}.5")), Encoding::Float);
    check(&many(|n| format!("{n:016x}")), Encoding::Hex);
    check(
        &many(|n| format!("2026-11-{:02}T09:34:{:02}.{:06}Z", 1 + n % 30, n % 60, n % 999_983)),
        Encoding::Timestamp,
    );
    check(&many(|n| format!("text {n}")), Encoding::Text);
}

#[test]
fn one_value_that_would_not_come_back_makes_it_text() {
    for odd in ["007", "+1", "-0", "", "1e3", "9223372036854775808", "1.0", " 1"] {
        let mut cells = many(|n| n.to_string());
        cells.push(Some(odd));
        check(&cells, Encoding::Text);
    }
    let mut hex = many(|n| format!("{n:016x}"));
    hex.push(Some("00000000DEADBEEF"));
    check(&hex, Encoding::Text);
    let time = |n: u64| format!("2026-11-21T09:34:{:02}.{:06}Z", n % 60, n % 999_983);
    for odd in
        ["2026-02-29T00:00:00.000000Z", "2026-11-21T09:34:60.000000Z", "2026-11-21T09:34:00Z"]
    {
        let mut times = many(time);
        times.push(Some(odd));
        check(&times, Encoding::Text);
    }
}

#[test]
fn times_of_all_years_come_back() {
    for year in (1970..2200).step_by(7) {
        for day in ["01-01", "02-28", "03-01", "12-31", "06-30"] {
            let text = format!("{year}-{day}T23:59:59.001Z");
            let (decimals, value) = choose::timestamp(&text).unwrap();
            let mut out = String::new();
            assert!(choose::put_timestamp(decimals, value, &mut out));
            assert_eq!(out, text);
        }
    }
    assert_eq!(choose::timestamp("2000-02-29T00:00:00Z"), Some((0, 951_782_400)));
    assert_eq!(choose::timestamp("2100-02-29T00:00:00Z"), None);
    assert_eq!(choose::timestamp("2200-01-01T00:00:00Z"), None);
}

#[test]
fn places_point_into_the_line() {
    let lines: Vec<String> = (0..100_u64).map(|n| format!("{{\"id\":\"u-{n}\"}}")).collect();
    let mut cells = Cells::default();
    for (row, line) in (0..).zip(&lines) {
        cells.push_place(row, 7, &line[7..line.len() - 2]);
    }
    let mut bytes = Vec::new();
    let encoding = encode(&cells, lines.len(), &mut |_| (), &mut bytes);
    assert_eq!(encoding, Encoding::Place);
    let column = Column::read(encoding, &bytes, lines.len()).unwrap();
    for (row, line) in lines.iter().enumerate() {
        assert_eq!(column.get(row, line), Some(&line[7..line.len() - 2]));
        assert_eq!(column.get(row, "short"), None);
    }
}
