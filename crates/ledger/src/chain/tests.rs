//! The link in its one spelling.

use super::*;

#[test]
fn what_is_linked_is_what_is_split() {
    let payload = link(Hash([0xab; 32]), b"\"a\":1");
    assert_eq!(split(&payload), Some((Hash([0xab; 32]), &b"\"a\":1"[..])));
}

#[test]
fn every_other_spelling_is_none() {
    let payload = link(Hash([0xab; 32]), b"\"a\":1");
    for at in 0..payload.len() {
        assert_eq!(split(&payload[..at]), None, "cut at {at}");
    }
    let upper = payload.to_ascii_uppercase();
    assert_eq!(split(&upper), None);
    assert_eq!(split(&[b" ", &payload[..]].concat()), None);
}
