//! Strict DER (X.690), as much of it as certificates need: definite lengths in their one spelling.

#[cfg(test)]
pub(crate) mod spoil;

/// The bytes are not the DER that was expected here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct BadDer;

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OID: u8 = 0x06;
pub(crate) const UTC_TIME: u8 = 0x17;
pub(crate) const GENERALIZED_TIME: u8 = 0x18;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const EXPLICIT_0: u8 = 0xa0;
pub(crate) const EXPLICIT_3: u8 = 0xa3;

/// One element: its tag, what is in it, and all of its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
    pub(crate) raw: &'a [u8],
}

/// Reads elements one after the other, in place.
#[derive(Clone, Debug)]
pub(crate) struct Der<'a> {
    rest: &'a [u8],
}

impl<'a> Der<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Ends the reading: nothing may follow.
    pub(crate) const fn end(&self) -> Result<(), BadDer> {
        if self.rest.is_empty() { Ok(()) } else { Err(BadDer) }
    }

    /// The next element, whatever it is.
    pub(crate) fn any(&mut self) -> Result<Element<'a>, BadDer> {
        let whole = self.rest;
        let (&tag, after) = whole.split_first().ok_or(BadDer)?;
        // A tag number of 31 says that more tag bytes follow; certificates have none.
        if tag & 0x1f == 0x1f {
            return Err(BadDer);
        }
        let (length, after) = length(after)?;
        let (content, rest) = after.split_at_checked(length).ok_or(BadDer)?;
        let raw = whole.get(..whole.len() - rest.len()).ok_or(BadDer)?;
        self.rest = rest;
        Ok(Element { tag, content, raw })
    }

    /// The next element, which has this tag.
    pub(crate) fn element(&mut self, tag: u8) -> Result<Element<'a>, BadDer> {
        let element = self.any()?;
        if element.tag == tag { Ok(element) } else { Err(BadDer) }
    }

    /// The content of the next element, which has this tag.
    pub(crate) fn content(&mut self, tag: u8) -> Result<&'a [u8], BadDer> {
        self.element(tag).map(|element| element.content)
    }

    /// A reader inside the next element, which has this tag.
    pub(crate) fn inside(&mut self, tag: u8) -> Result<Self, BadDer> {
        self.content(tag).map(Self::new)
    }

    /// The next element, if one stands here and has this tag.
    pub(crate) fn optional(&mut self, tag: u8) -> Result<Option<Element<'a>>, BadDer> {
        if self.rest.first() == Some(&tag) { self.any().map(Some) } else { Ok(None) }
    }
}

/// A length in its shortest form, at most two bytes: no certificate here is longer than 64 KiB.
fn length(bytes: &[u8]) -> Result<(usize, &[u8]), BadDer> {
    match bytes {
        [short @ 0..=0x7f, rest @ ..] => Ok((usize::from(*short), rest)),
        [0x81, long @ 0x80..=0xff, rest @ ..] => Ok((usize::from(*long), rest)),
        [0x82, high @ 1..=0xff, low, rest @ ..] => {
            Ok((usize::from(u16::from_be_bytes([*high, *low])), rest))
        }
        _ => Err(BadDer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_one_spelling() {
        for bytes in
            [&[4, 0x81, 1, 0][..], &[4, 0x82, 0, 1, 0], &[4, 0x80, 0, 0], &[4, 0x83, 0, 0, 1]]
        {
            assert_eq!(Der::new(bytes).any().map(|e| e.content), Err(BadDer), "{bytes:?}");
        }
    }

    #[test]
    fn an_element_that_ends_late_or_has_another_tag_is_refused() {
        assert_eq!(Der::new(&[4, 2, 0]).content(OCTET_STRING), Err(BadDer));
        assert_eq!(Der::new(&[2, 1, 0]).content(OCTET_STRING), Err(BadDer));
        assert_eq!(Der::new(&[0x1f, 1, 0]).any().map(|e| e.tag), Err(BadDer));
        assert_eq!(Der::new(&[4, 1, 0, 9]).content(OCTET_STRING), Ok(&[0][..]));
    }
}
