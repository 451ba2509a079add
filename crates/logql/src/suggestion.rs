//! What a misspelt word could have been.

use alloc::vec;
use alloc::vec::Vec;

/// Words longer than this are not compared: the distance is quadratic.
const WORD_BYTES_MAX: usize = 32;

/// The nearest of `candidates`, if at most a third of the word is wrong.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    if word.len() > WORD_BYTES_MAX {
        return None;
    }
    let word = word.to_ascii_lowercase();
    let allowed = (word.len() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours that lead from one to the other.
fn distance(from: &str, to: &str) -> usize {
    let (from, to) = (from.as_bytes(), to.as_bytes());
    let mut two_ago: Vec<usize> = vec![0; to.len().saturating_add(1)];
    let mut ago: Vec<usize> = (0..=to.len()).collect();
    for (row, a) in from.iter().enumerate() {
        let mut now: Vec<usize> = vec![row.saturating_add(1)];
        for (column, b) in to.iter().enumerate() {
            let at = |cells: &[usize], back: usize| {
                column.saturating_add(1).checked_sub(back).and_then(|i| cells.get(i).copied())
            };
            let replaced = at(&ago, 1).unwrap_or(0).saturating_add(usize::from(a != b));
            let removed = at(&ago, 0).unwrap_or(0).saturating_add(1);
            let inserted = at(&now, 1).unwrap_or(0).saturating_add(1);
            let mut best = replaced.min(removed).min(inserted);
            let before =
                |text: &[u8], i: usize| i.checked_sub(1).and_then(|i| text.get(i).copied());
            if before(from, row) == Some(*b) && before(to, column) == Some(*a) {
                best = best.min(at(&two_ago, 2).unwrap_or(0).saturating_add(1));
            }
            now.push(best);
        }
        two_ago = core::mem::replace(&mut ago, now);
    }
    ago.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_the_known_ones() {
        for (from, to, expected) in [
            ("", "", 0),
            ("json", "json", 0),
            ("jsn", "json", 1),
            ("josn", "json", 1),
            ("kitten", "sitting", 3),
            ("", "abc", 3),
            ("abc", "", 3),
        ] {
            assert_eq!(distance(from, to), expected, "{from} {to}");
        }
    }

    #[test]
    fn only_near_words_are_suggested() {
        let words = ["json", "logfmt", "count_over_time"];
        assert_eq!(nearest("Jsno", words), Some("json"));
        assert_eq!(nearest("logfm", words), Some("logfmt"));
        assert_eq!(nearest("countovertime", words), Some("count_over_time"));
        assert_eq!(nearest("xml", words), None);
        assert_eq!(nearest(&"j".repeat(33), words), None);
    }
}
