//! `docs/SEMANTICS.md` names a test beside every rule: each rule has one, each test exists, and no rule is named that
//! is not there. A rule that is *Not yet* as a whole needs none.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

const TABLE: &str = "## 7. ";

struct Document {
    /// Numbered rules, and the operations of the table in section 3.
    rules: BTreeSet<String>,
    /// Those of them that later work brings.
    not_yet: BTreeSet<String>,
    /// What the last table says: rule, tests.
    tests: Vec<(String, Vec<String>)>,
}

fn read() -> Document {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("docs/SEMANTICS.md")).expect("the document");
    let (rules, table) = text.split_once(TABLE).expect("the table of tests is the last section");
    let mut document = Document { rules: BTreeSet::new(), not_yet: BTreeSet::new(), tests: Vec::new() };
    let mut section = "";
    for line in rules.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            section = title;
        }
        if let Some(rule) = numbered(line) {
            document.add(rule, line.contains("** *Not yet"));
        } else if section.starts_with("3.")
            && let Some([operation, meaning]) = cells(line)
        {
            document.add(operation.to_owned(), meaning.starts_with("*Not yet"));
        }
    }
    let rows = table.lines().filter_map(cells);
    document.tests = rows.map(|[rule, tests]| (rule.to_owned(), quoted(tests))).collect();
    document
}

impl Document {
    fn add(&mut self, rule: String, not_yet: bool) {
        if not_yet {
            self.not_yet.insert(rule.clone());
        }
        assert!(self.rules.insert(rule.clone()), "{rule} is there twice");
    }
}

/// `**2.3 Candidates.** …`
fn numbered(line: &str) -> Option<String> {
    let rest = line.strip_prefix("**")?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let number = rest[..end].trim_end_matches('.');
    number.contains('.').then(|| number.to_owned())
}

/// A row of two cells, the head and the ruler left out.
fn cells(line: &str) -> Option<[&str; 2]> {
    let row = line.strip_prefix("| ")?.strip_suffix(" |")?;
    let (first, second) = row.split_once(" | ")?;
    (first != "operation" && first != "rule").then_some([first.trim(), second.trim()])
}

fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Every function below a directory that is a test, or that one runs.
fn functions(dir: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(dir).expect("a directory of the package").flatten() {
        let path = entry.path();
        if path.is_dir() {
            functions(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("source");
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            for (number, line) in lines.iter().enumerate() {
                let name = line.strip_prefix("fn ").or_else(|| line.strip_prefix("async fn "));
                let is_test = lines[number.saturating_sub(4)..number].iter().any(|line| line.contains("test]"));
                names.extend(
                    name.filter(|_| is_test).and_then(|rest| rest.split_once('(')).map(|(name, _)| name.into()),
                );
            }
        }
    }
}

#[test]
fn every_rule_names_a_test_that_exists() {
    let document = read();
    let mut existing = BTreeSet::new();
    for dir in ["src", "tests"] {
        functions(&Path::new(env!("CARGO_MANIFEST_DIR")).join(dir), &mut existing);
    }
    let mut faults = Vec::new();
    let mut held: BTreeMap<&str, usize> = BTreeMap::new();
    for (rule, tests) in &document.tests {
        if !document.rules.contains(rule) {
            faults.push(format!("there is no rule {rule}"));
        }
        faults.extend(
            tests.iter().filter(|test| !existing.contains(*test)).map(|test| format!("{rule}: no test {test}")),
        );
        *held.entry(rule).or_default() += tests.len();
    }
    let missing = document
        .rules
        .difference(&document.not_yet)
        .filter(|rule| held.get(rule.as_str()).is_none_or(|tests| *tests == 0));
    faults.extend(missing.map(|rule| format!("{rule}: no test holds it")));
    assert!(document.rules.len() > 40, "{} rules: the document is not read as it is written", document.rules.len());
    assert!(faults.is_empty(), "docs/SEMANTICS.md\n{}", faults.join("\n"));
}
