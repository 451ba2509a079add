//! A ledger that does not follow from itself: what that proves, and what a search found.
//!
//! A producer cannot skip a number, since `first` of a batch is the size of its tree. So a batch
//! that starts later, on another root, proves that records existed in between; whether a record
//! that is found is one of them, the same root proves.

use lucarne_ledger::hash::Hash;
use lucarne_ledger::tree::Frontier;

/// What the archive shows at the place of the failure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Break {
    /// Records before the gap.
    pub size: u64,
    /// The root after them.
    pub root: Hash,
    /// The number of the first record after the gap.
    pub first: u64,
    /// The root that the batch after the gap says was before it.
    pub prev_root: Hash,
    /// Whether that batch's signature verifies.
    pub signature_valid: bool,
    /// Whether the code that signed it is the expected one.
    pub measurement_expected: bool,
    /// Two genuine leaves for one number.
    pub two_leaves: bool,
}

/// What it proves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Inference {
    /// Nothing is wrong.
    Whole,
    /// Records existed and are not there.
    RecordExistedMissing {
        /// The first of them.
        first: u64,
        /// How many.
        count: u64,
        /// The root that they lead to.
        root: Hash,
    },
    /// Two histories.
    Fork,
    /// Somebody changed what was signed.
    Altered,
    /// Code signed that is not the expected one.
    UnexpectedCode,
}

/// Infers.
pub fn infer(found: &Break) -> Inference {
    if !found.signature_valid {
        return Inference::Altered;
    }
    if !found.measurement_expected {
        return Inference::UnexpectedCode;
    }
    if found.two_leaves {
        return Inference::Fork;
    }
    match (found.first.checked_sub(found.size), found.prev_root == found.root) {
        (Some(0), true) => Inference::Whole,
        (Some(count), _) if count > 0 => {
            Inference::RecordExistedMissing { first: found.size, count, root: found.prev_root }
        }
        // The same number on another root, or a number that was given before.
        _ => Inference::Fork,
    }
}

/// Where records were found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// Under a delete marker of the write-once storage, by this principal.
    BehindDeleteMarker,
    /// In the store inside, over the attested channel, contracted again.
    Inside,
}

/// What a search amounts to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Search {
    /// They were there all the time, hidden by a delete marker.
    RecoveredHiddenByDeleteMarker,
    /// They never reached the archive.
    RecoveredPipelineLoss,
    /// They are nowhere. That they existed, and their root, is known.
    Lost,
    /// What was found is not what was sealed.
    Altered,
}

/// Compares what was found with the root that the records must lead to.
///
/// `before` is the tree before the gap, `leaves` those of the records that were found.
pub fn search(before: &Frontier, root: Hash, found: Option<(Place, &[Hash])>) -> Search {
    let Some((place, leaves)) = found else { return Search::Lost };
    let mut tree = before.clone();
    leaves.iter().for_each(|leaf| tree.append(*leaf));
    match place {
        _ if tree.root() != root => Search::Altered,
        Place::BehindDeleteMarker => Search::RecoveredHiddenByDeleteMarker,
        Place::Inside => Search::RecoveredPipelineLoss,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(size: u64) -> Frontier {
        let mut tree = Frontier::empty();
        (0..size).for_each(|n| tree.append(Hash::of(&n.to_be_bytes())));
        tree
    }

    // Records 0 to 1042 are there, 1043 is not, 1044 is.
    fn broken() -> Break {
        Break {
            size: 1043,
            root: tree(1043).root(),
            first: 1044,
            prev_root: tree(1044).root(),
            signature_valid: true,
            measurement_expected: true,
            two_leaves: false,
        }
    }

    /// AT-03: the inference.
    #[test]
    fn a_later_batch_proves_that_a_record_existed() {
        let root = tree(1044).root();
        let missing = Inference::RecordExistedMissing { first: 1043, count: 1, root };
        let rows = [
            (broken(), missing),
            (Break { two_leaves: true, ..broken() }, Inference::Fork),
            (Break { signature_valid: false, ..broken() }, Inference::Altered),
            (Break { measurement_expected: false, ..broken() }, Inference::UnexpectedCode),
            (Break { first: 1043, ..broken() }, Inference::Fork),
            (Break { first: 1042, ..broken() }, Inference::Fork),
            (Break { first: 1043, prev_root: tree(1043).root(), ..broken() }, Inference::Whole),
        ];
        for (found, inference) in rows {
            assert_eq!(infer(&found), inference, "{found:?}");
        }
    }

    /// AT-03: the outcomes of the search, in its order.
    #[test]
    fn only_the_same_root_recovers_a_record() {
        let (before, root) = (tree(1043), tree(1044).root());
        let genuine = [Hash::of(&1043_u64.to_be_bytes())];
        let forged = [Hash::of(b"forged")];
        let hidden = Some((Place::BehindDeleteMarker, &genuine[..]));
        assert_eq!(search(&before, root, hidden), Search::RecoveredHiddenByDeleteMarker);
        let inside = Some((Place::Inside, &genuine[..]));
        assert_eq!(search(&before, root, inside), Search::RecoveredPipelineLoss);
        assert_eq!(search(&before, root, None), Search::Lost);
        for place in [Place::BehindDeleteMarker, Place::Inside] {
            assert_eq!(search(&before, root, Some((place, &forged))), Search::Altered);
        }
    }
}
