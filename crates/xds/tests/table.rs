//! `docs/xds.md` says where each case is tested; this says whether that is so.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The places of the table, as folders from the root of the workspace.
const PLACES: [(&str, &[&str]); 4] = [
    ("session", &["crates/xds/tests/session"]),
    ("wire", &["crates/xds/tests/wire"]),
    ("control", &["crates/control/tests/assembly", "crates/control/src/assembler"]),
    ("agent", &["tests/it", "tests/it/hostile"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Case number to the places that the last column names, and that column.
fn rows() -> BTreeMap<String, (BTreeSet<String>, String)> {
    let table = fs::read_to_string(root().join("docs/xds.md")).expect("the table is there");
    let rows = table.lines().filter(|line| {
        (line.starts_with("| C") || line.starts_with("| V")) && !line.starts_with("| Case")
    });
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let last = *cells.last().expect("a row has cells");
        let named = last.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        (cells[0].to_owned(), (named, last.to_owned()))
    })
    .collect()
}

/// `c029` and `v05` in the name of a test are the case C029 and the behaviour V05.
fn case(word: &str) -> Option<String> {
    let digits = word.strip_prefix('c').filter(|digits| digits.len() == 3);
    let digits = digits.or_else(|| word.strip_prefix('v').filter(|digits| digits.len() == 2))?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| word.to_uppercase())
}

/// The numbers of the tests in the files of some folders.
fn tests(folders: &[&str]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for folder in folders {
        let entries = fs::read_dir(root().join(folder)).into_iter().flatten();
        for path in entries.map(|entry| entry.expect("a readable folder").path()) {
            let source = fs::read_to_string(path).unwrap_or_default();
            for (at, _) in source.match_indices("fn ") {
                // A test may be of several cases.
                let words = source[at + 3..].split('_');
                found.extend(words.map_while(case));
            }
        }
    }
    found
}

#[test]
fn every_row_names_tests_that_are_there_or_says_why_not() {
    let found: BTreeMap<&str, _> =
        PLACES.iter().map(|(name, folders)| (*name, tests(folders))).collect();
    let mut faults = Vec::new();
    for (case, (places, cell)) in rows() {
        for place in &places {
            if !found.get(place.as_str()).is_some_and(|tests| tests.contains(&case)) {
                faults.push(format!("{case}: no test in {place}"));
            }
        }
        if places.is_empty() && !cell.starts_with("not yet: ") {
            faults.push(format!("{case}: neither a test nor a reason"));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_test_of_a_case_stands_in_its_row() {
    let rows = rows();
    let mut faults = Vec::new();
    // Other crates may test a case once more without telling this table.
    for (place, folders) in PLACES.into_iter().filter(|(place, _)| *place != "control") {
        for case in tests(folders) {
            if !rows.get(&case).is_some_and(|(places, _)| places.contains(place)) {
                faults.push(format!("{case} in {place}"));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn the_table_is_whole() {
    let rows = rows();
    for (first, last) in
        [(1, 13), (20, 41), (50, 66), (70, 89), (100, 124), (140, 168), (180, 197), (210, 216)]
    {
        for number in first..=last {
            assert!(rows.contains_key(&format!("C{number:03}")), "C{number:03} has no row");
        }
    }
    for number in 1..=38 {
        assert!(rows.contains_key(&format!("V{number:02}")), "V{number:02} has no row");
    }
}
