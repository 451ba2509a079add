//! DER with something wrong in one place, and with every length around it right: for tests of what
//! readers refuse.
//!
//! A change of single bytes breaks lengths first, so it shows nothing of what stands behind the
//! last field of a structure. Here the structure is taken apart, changed and put together again.

use alloc::vec;
use alloc::vec::Vec;

use super::{BIT_STRING, Der, OCTET_STRING, SEQUENCE};

/// Where an element is: the number of each element among its siblings, from the outside in.
pub(crate) type Path = Vec<usize>;

/// The same DER with another content of the element at this place.
///
/// # Panics
/// When there is no such element.
pub(crate) fn edited(der: &[u8], path: &[usize], edit: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut elements = elements(der).expect("DER");
    let (first, below) = path.split_first().expect("a place");
    let (tag, content) = &mut elements[*first];
    if below.is_empty() {
        edit(content);
    } else {
        let head = usize::from(*tag == BIT_STRING);
        let inner = edited(&content[head..], below, edit);
        content.truncate(head);
        content.extend(inner);
    }
    elements.iter().flat_map(|(tag, content)| element(*tag, content)).collect()
}

/// Each structure in turn with a NULL behind its last field, and where that is.
pub(crate) fn with_one_more(der: &[u8]) -> Vec<(Path, Vec<u8>)> {
    let append = |path: &Path| edited(der, path, |content| content.extend([5, 0]));
    structures(der).into_iter().map(|path| (path.clone(), append(&path))).collect()
}

/// The places of all structures: constructed elements, and strings that hold DER.
fn structures(der: &[u8]) -> Vec<Path> {
    let mut found = Vec::new();
    for (index, (tag, content)) in elements(der).expect("DER").iter().enumerate() {
        let Some(inner) = inside(*tag, content) else { continue };
        found.push(vec![index]);
        let below = structures(inner).into_iter();
        found.extend(below.map(|path| [&[index][..], &path].concat()));
    }
    found
}

fn inside(tag: u8, content: &[u8]) -> Option<&[u8]> {
    let inner = match (tag, content) {
        (tag, content) if tag & 0x20 != 0 => return Some(content),
        (OCTET_STRING, content) => content,
        (BIT_STRING, [0, content @ ..]) => content,
        _ => return None,
    };
    let holds = matches!(inner.first(), Some(&SEQUENCE | &BIT_STRING));
    (holds && elements(inner).is_some()).then_some(inner)
}

fn elements(der: &[u8]) -> Option<Vec<(u8, Vec<u8>)>> {
    let (mut reader, mut found) = (Der::new(der), Vec::new());
    while !reader.is_empty() {
        let element = reader.any().ok()?;
        found.push((element.tag, element.content.to_vec()));
    }
    Some(found)
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).expect("short").to_be_bytes();
    let length: &[u8] = match content.len() {
        0..=0x7f => &[low],
        0x80..=0xff => &[0x81, low],
        _ => &[0x82, high, low],
    };
    [&[tag], length, content].concat()
}

#[test]
fn what_is_taken_apart_is_put_together_again() {
    let der = include_bytes!("../../testdata/nitro/aws_nitro_root_g1.der");
    for path in structures(der) {
        assert_eq!(edited(der, &path, |_| ()), der, "{path:?}");
    }
    assert_eq!(edited(der, &[0, 0, 1], |serial| serial.clear()).len() + 17, der.len());
}
