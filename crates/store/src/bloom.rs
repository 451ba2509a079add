//! Which words a block may contain, so that most blocks are never opened for a rare needle.
//!
//! A word is a run of ASCII letters, digits and bytes above 127. It enters as pieces of eight bytes
//! from its beginning and what is left at its end. So a needle is found although it begins or ends
//! inside a word: the pieces that it holds whole must be there, and where its beginning within a
//! word is unknown, one of the eight possible alignments must fit.

/// The largest filter: a block has at most 2 MiB, and in logs every other piece is a repetition.
pub(crate) const BLOOM_BYTES_MAX: usize = 64 * 1024;
const BLOOM_BYTES_MIN: usize = 64;
const PROBES: u64 = 4;
const PIECE: usize = 8;

/// A filter that is being filled; made once and reused.
#[derive(Debug)]
pub(crate) struct BloomBuilder {
    bits: Vec<u64>,
}

impl BloomBuilder {
    pub(crate) fn new() -> Self {
        Self { bits: vec![0; BLOOM_BYTES_MAX / 8] }
    }

    /// Adds each word of a text.
    pub(crate) fn insert(&mut self, text: &[u8]) {
        let mut piece = 0_u64;
        let mut length = 0_u64;
        for &byte in text {
            if is_word(byte) {
                piece = piece << 8 | u64::from(byte);
                length += 1;
                if length == PIECE as u64 {
                    self.set(mix(piece, length));
                    (piece, length) = (0, 0);
                }
            } else if length > 0 {
                self.set(mix(piece, length));
                (piece, length) = (0, 0);
            }
        }
        if length > 0 {
            self.set(mix(piece, length));
        }
    }

    /// The filter so far, as small as half of its bits allow. The builder is empty afterwards.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        let mut size = self.bits.len();
        loop {
            let half = size / 2;
            let (low, high) = self.bits.split_at(half);
            let folded: u32 =
                low.iter().zip(high).map(|(low, high)| (low | high).count_ones()).sum();
            // Half of the bits set is where a filter of given size tells most.
            if half * 8 < BLOOM_BYTES_MIN || u64::from(folded) > half as u64 * 32 {
                break;
            }
            let (low, high) = self.bits.split_at_mut(half);
            for (low, high) in low.iter_mut().zip(high) {
                *low |= *high;
            }
            self.bits.truncate(half);
            size = half;
        }
        let out = self.bits.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.bits.clear();
        self.bits.resize(BLOOM_BYTES_MAX / 8, 0);
        out
    }

    #[inline]
    fn set(&mut self, hash: u64) {
        let mask = self.bits.len() as u64 * 64 - 1;
        for probe in 0..PROBES {
            let bit = place(hash, probe) & mask;
            if let Some(word) = usize::try_from(bit / 64).ok().and_then(|at| self.bits.get_mut(at))
            {
                *word |= 1 << (bit % 64);
            }
        }
    }
}

/// A finished filter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Bloom(Box<[u8]>);

impl Bloom {
    /// A filter from its bytes; `None` when no builder makes one of this length.
    #[must_use]
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let fits = bytes.len().is_power_of_two()
            && (BLOOM_BYTES_MIN..=BLOOM_BYTES_MAX).contains(&bytes.len());
        fits.then(|| Self(bytes.into()))
    }

    /// Bytes in memory.
    #[must_use]
    pub(crate) fn bytes(&self) -> usize {
        self.0.len()
    }

    /// Whether a text with this needle in it may have been added. Never wrongly no.
    #[must_use]
    pub(crate) fn may_contain(&self, needle: &[u8]) -> bool {
        let mut start = 0;
        while let Some(skip) = needle.iter().skip(start).position(|&byte| is_word(byte)) {
            let from = start + skip;
            let run = needle.get(from..).unwrap_or_default();
            let length = run.iter().position(|&byte| !is_word(byte)).unwrap_or(run.len());
            let word = run.get(..length).unwrap_or_default();
            if !self.may_contain_word(word, from > 0, length < run.len()) {
                return false;
            }
            start = from + length;
        }
        true
    }

    fn may_contain_word(&self, word: &[u8], begins: bool, ends: bool) -> bool {
        let alignments = if begins { 0..1 } else { 0..PIECE };
        alignments.into_iter().any(|skip| {
            let pieces = word.get(skip..).unwrap_or_default().chunks(PIECE);
            pieces.into_iter().all(|piece| {
                // The last piece is cut off by the needle's end unless the word ends there.
                (piece.len() < PIECE && !ends) || self.has(piece)
            })
        })
    }

    fn has(&self, piece: &[u8]) -> bool {
        let packed = piece.iter().fold(0_u64, |packed, &byte| packed << 8 | u64::from(byte));
        let hash = mix(packed, piece.len() as u64);
        let mask = self.0.len() as u64 * 8 - 1;
        (0..PROBES).all(|probe| {
            let bit = place(hash, probe) & mask;
            let byte = usize::try_from(bit / 8).ok().and_then(|at| self.0.get(at));
            byte.is_some_and(|byte| byte >> (bit % 8) & 1 == 1)
        })
    }
}

#[inline]
const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80
}

/// The finaliser of SplitMix64: every bit of a piece moves every bit of the hash.
#[inline]
const fn mix(piece: u64, length: u64) -> u64 {
    let mut hash = piece ^ length.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash = (hash ^ hash >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ hash >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ hash >> 31
}

#[inline]
const fn place(hash: u64, probe: u64) -> u64 {
    hash.wrapping_add(probe.wrapping_mul(hash >> 32 | 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bloom(texts: &[&str]) -> Bloom {
        let mut builder = BloomBuilder::new();
        for text in texts {
            builder.insert(text.as_bytes());
        }
        Bloom::from_bytes(&builder.finish()).unwrap()
    }

    #[test]
    fn every_part_of_an_added_text_may_be_there() {
        let text =
            r#"{"executionId":"exec-7f3a2b1c99d1","trace":"a7b7c7d7e7f70717a7b7c7d7e7f70717 é"}"#;
        let bloom = bloom(&[text]);
        for start in 0..text.len() {
            for end in start..=text.len() {
                let needle = &text.as_bytes()[start..end];
                assert!(bloom.may_contain(needle), "{}", String::from_utf8_lossy(needle));
            }
        }
    }

    #[test]
    fn what_was_not_added_is_mostly_known_not_to_be_there() {
        let lines: Vec<String> = (0..2000)
            .map(|n| format!("request {:016x} took {n} ms", n * 0x9e37_79b9_u64))
            .collect();
        let bloom = bloom(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        let wrong = (0..2000)
            .map(|n| format!("{:016x}", 0xdead_beef_0000_u64 + n * 0x1234_5678_9abd))
            .filter(|needle| bloom.may_contain(format!("request {needle} ").as_bytes()))
            .count();
        assert!(wrong < 60, "{wrong} of 2000 were let through");
        // With both ends unknown, eight alignments are tried.
        assert!(!bloom.may_contain(b"0123456789abcdef0123456789abcdef"));
    }

    #[test]
    fn a_small_block_has_a_small_filter() {
        assert_eq!(bloom(&["one two three"]).bytes(), BLOOM_BYTES_MIN);
        assert_eq!(Bloom::from_bytes(&[0; 63]), None);
        assert_eq!(Bloom::from_bytes(&vec![0; BLOOM_BYTES_MAX * 2]), None);
    }

    #[test]
    fn a_builder_is_empty_after_it_was_finished() {
        let mut builder = BloomBuilder::new();
        builder.insert(b"remembered");
        let first = builder.finish();
        assert_ne!(first, builder.finish());
        assert_eq!(builder.finish(), [0; BLOOM_BYTES_MIN]);
    }
}
