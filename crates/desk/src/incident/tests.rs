//! The table of moves, cell by cell, and each guard.

use super::*;

#[test]
fn the_table_of_moves() {
    let table: Vec<String> = Phase::ALL
        .into_iter()
        .map(|from| {
            let to = Phase::ALL.into_iter().filter(|to| from.may_become(*to));
            format!("{from}: {}", to.map(Phase::as_str).collect::<Vec<_>>().join(" "))
        })
        .collect();
    let expected = "\
detected: triaged false_positive suppressed merged cancelled
triaged: containing preserving diagnosing false_positive suppressed merged cancelled
containing: preserving diagnosing false_positive merged cancelled
preserving: containing diagnosing false_positive merged cancelled
diagnosing: containing preserving recovering false_positive merged cancelled
recovering: diagnosing validating cancelled
validating: diagnosing recovering resolved cancelled
resolved: triaged in_review
in_review: triaged closed
closed: triaged
false_positive: triaged
suppressed: triaged
merged: 
cancelled: ";
    assert_eq!(table.join("\n"), expected);
}
