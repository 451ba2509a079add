//! Rings: which crate may depend on which, as the table in ARCHITECTURE.md says.
//!
//! The table is the rule, so the document cannot drift from the check. Edges of normal and build
//! dependencies count; a test may use what it likes.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Repository, Violation};

/// The crate map of ARCHITECTURE.md.
pub(super) struct Table {
    rows: BTreeMap<String, Row>,
}

struct Row {
    line: usize,
    ring: Ring,
    may: Vec<String>,
}

/// Arrows point to a smaller ring, or stay in their own.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Ring {
    Pure,
    Inside,
    Outside,
    Development,
}

/// A crate of the workspace with the crates of the workspace it links.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Member {
    name: String,
    edges: Vec<String>,
}

impl Table {
    /// Reads the rows below the header `| crate | ring | may depend on |`. A crate is named by its
    /// folder.
    pub(super) fn parse(text: &str) -> Self {
        let lines = text.lines().enumerate();
        let table =
            lines.skip_while(|(_, line)| !line.starts_with("| crate | ring | may depend on |"));
        let rows = table.skip(2).take_while(|(_, line)| line.starts_with('|'));
        Self { rows: rows.filter_map(|(index, line)| Row::parse(index + 1, line)).collect() }
    }

    /// The packages of rings 0 and 1.
    pub(super) fn crates_up_to_ring_1(&self) -> Vec<&str> {
        let inner = self.rows.iter().filter(|(_, row)| row.ring <= Ring::Inside);
        inner.map(|(name, _)| name.as_str()).collect()
    }
}

impl Row {
    fn parse(line: usize, text: &str) -> Option<(String, Self)> {
        let mut cells = text.trim_matches('|').split('|').map(str::trim);
        let name = package(cells.next()?.trim_matches('`'));
        let ring = match cells.next()? {
            "0" => Ring::Pure,
            "1" => Ring::Inside,
            "2" => Ring::Outside,
            "dev" => Ring::Development,
            _ => return None,
        };
        let may = cells.next()?.split(',').map(|cell| cell.trim().trim_matches('`'));
        let may = may.filter(|cell| !cell.is_empty() && *cell != "-").map(package).collect();
        Some((name, Self { line, ring, may }))
    }
}

fn package(folder: &str) -> String {
    if folder == "xtask" { folder.to_owned() } else { format!("lucarne-{folder}") }
}

/// The crates of the workspace, from `cargo metadata`.
pub(super) fn members(metadata: &str) -> Vec<Member> {
    let metadata: Value = serde_json::from_str(metadata).unwrap_or_default();
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let ours = packages.filter(|package| package["source"].is_null());
    let mut members: Vec<Member> = ours.filter_map(Member::of).collect();
    members.sort_by(|a, b| a.name.cmp(&b.name));
    members
}

impl Member {
    fn of(package: &Value) -> Option<Self> {
        let dependencies = package["dependencies"].as_array()?.iter();
        let linked = dependencies.filter(|dependency| dependency["kind"] != "dev");
        let ours = linked.filter(|dependency| dependency["path"].is_string());
        let mut edges: Vec<String> =
            ours.filter_map(|edge| edge["name"].as_str()).map(str::to_owned).collect();
        edges.sort();
        edges.dedup();
        Some(Self { name: package["name"].as_str()?.to_owned(), edges })
    }
}

/// Crates and edges against the table, and the table against the meaning of the rings.
pub(super) fn check(table: &Table, members: &[Member]) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut report = |line: usize, what: String, mend: &str| {
        let path = "ARCHITECTURE.md".to_owned();
        found.push(Violation { path, line, what, mend: mend.to_owned() });
    };
    for member in members {
        let Some(row) = table.rows.get(&member.name) else {
            report(1, format!("{} has no row in the crate table", member.name), "add the row");
            continue;
        };
        for edge in member.edges.iter().filter(|edge| !row.may.contains(*edge)) {
            let what = format!("{} depends on {edge}", member.name);
            report(row.line, what, "remove the dependency, or argue for it in the table");
        }
        for edge in row.may.iter().filter(|edge| !member.edges.contains(*edge)) {
            let what = format!("{} may depend on {edge} and does not", member.name);
            report(row.line, what, "remove it from the table");
        }
    }
    for (name, row) in &table.rows {
        if !members.iter().any(|member| member.name == *name) {
            report(row.line, format!("there is no crate {name}"), "remove the row");
        }
        for edge in row.may.iter().filter(|edge| points_outward(table, name, edge)) {
            let what = format!("the table lets {name} depend on {edge}, against the rings");
            report(row.line, what, "an arrow may only point inward");
        }
    }
    found
}

/// Ring 2 sees ring 0 and `platform`, and nothing else of ring 1: outside can do only what a
/// stranger with the public crates could.
fn points_outward(table: &Table, name: &str, edge: &str) -> bool {
    let (Some(from), Some(to)) = (table.rows.get(name), table.rows.get(edge)) else {
        return false;
    };
    let is_enclave = edge == "lucarne-enclave" && name != edge;
    to.ring > from.ring || (is_enclave && from.ring > Ring::Inside)
}

/// Ring 0 says in its own sources that it has neither the standard library nor unsafe code.
pub(super) fn check_ring_0(table: &Table, repository: &Repository) -> Vec<Violation> {
    let mut found = Vec::new();
    for (name, _) in table.rows.iter().filter(|(_, row)| row.ring == Ring::Pure) {
        let folder = name.trim_start_matches("lucarne-");
        let path = format!("crates/{folder}/src/lib.rs");
        let text = repository.text(&path);
        for line in ["#![no_std]", "#![forbid(unsafe_code)]"] {
            if !text.lines().any(|found| found == line) {
                let what = format!("ring 0 without `{line}`");
                let mend = "add it to the crate root".to_owned();
                found.push(Violation { path: path.clone(), line: 1, what, mend });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
# Title

| crate | ring | may depend on | what |
|---|---|---|---|
| `ledger` | 0 | - | x |
| `enclave` | 1 | `ledger` | x |
| `gateway` | 2 | `ledger` | x |

| other | table |
";

    fn member(name: &str, edges: &[&str]) -> Member {
        let edges = edges.iter().map(|edge| (*edge).to_owned()).collect();
        Member { name: name.to_owned(), edges }
    }

    #[track_caller]
    fn expect(table: &str, members: &[Member], violations: &[&str]) {
        let found = check(&Table::parse(table), members);
        let found: Vec<String> = found.iter().map(|v| format!("{}: {}", v.line, v.what)).collect();
        assert_eq!(found, violations);
    }

    fn good() -> [Member; 3] {
        [
            member("lucarne-enclave", &["lucarne-ledger"]),
            member("lucarne-gateway", &["lucarne-ledger"]),
            member("lucarne-ledger", &[]),
        ]
    }

    #[test]
    fn a_workspace_that_is_its_table_passes() {
        expect(TABLE, &good(), &[]);
        assert_eq!(
            Table::parse(TABLE).crates_up_to_ring_1(),
            ["lucarne-enclave", "lucarne-ledger"]
        );
    }

    #[test]
    fn an_edge_that_is_not_in_the_table_is_named() {
        let mut members = good();
        members[2].edges.push("lucarne-gateway".to_owned());
        expect(TABLE, &members, &["5: lucarne-ledger depends on lucarne-gateway"]);
    }

    #[test]
    fn a_permission_that_is_not_used_is_named() {
        let mut members = good();
        members[0].edges.clear();
        let stale = "6: lucarne-enclave may depend on lucarne-ledger and does not";
        expect(TABLE, &members, &[stale]);
    }

    #[test]
    fn crates_and_rows_must_match() {
        let members = [member("lucarne-desk", &[]), member("lucarne-ledger", &[])];
        let missing = [
            "1: lucarne-desk has no row in the crate table",
            "6: there is no crate lucarne-enclave",
            "7: there is no crate lucarne-gateway",
        ];
        expect(TABLE, &members, &missing);
    }

    #[test]
    fn the_table_itself_may_not_point_outward() {
        let outward = TABLE.replace("| 2 | `ledger` |", "| 2 | `ledger`, `enclave` |");
        let mut members = good();
        members[1].edges.insert(0, "lucarne-enclave".to_owned());
        let what = "7: the table lets lucarne-gateway depend on lucarne-enclave, against the rings";
        expect(&outward, &members, &[what]);

        let upward = TABLE.replace("| 0 | - |", "| 0 | `enclave` |");
        let mut members = good();
        members[2].edges.push("lucarne-enclave".to_owned());
        let what = "5: the table lets lucarne-ledger depend on lucarne-enclave, against the rings";
        expect(&upward, &members, &[what]);
    }

    #[test]
    fn metadata_gives_edges_without_those_of_tests() {
        let metadata = r#"{"packages":[
            {"name":"x","source":"registry","dependencies":[]},
            {"name":"lucarne-a","source":null,"dependencies":[
                {"name":"lucarne-b","kind":null,"path":"/b"},
                {"name":"lucarne-c","kind":"dev","path":"/c"},
                {"name":"serde","kind":null}]}]}"#;
        assert_eq!(members(metadata), [member("lucarne-a", &["lucarne-b"])]);
    }

    #[test]
    fn ring_0_must_say_so() {
        let files = [("crates/ledger/src/lib.rs", "//! x\n#![no_std]\n")];
        let found = check_ring_0(&Table::parse(TABLE), &Repository::of(&files));
        let what: Vec<&str> = found.iter().map(|violation| violation.what.as_str()).collect();
        assert_eq!(what, ["ring 0 without `#![forbid(unsafe_code)]`"]);
    }
}
