//! Tables of the documents name the code that keeps a rule and the test that proves it. Both have
//! to exist, so that a table cannot go stale.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

/// Columns of a table, by their titles.
const FILES: &str = "Code";
const TESTS: &str = "Test";
/// Folders that hold no sources of ours.
const LEFT_OUT: [&str; 4] = ["target", "node_modules", ".venv", ".git"];

fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("two folders below the root")
}

/// One row of a table that has one of the columns, with the texts in code spans.
#[derive(Debug, Default)]
struct Row {
    line: usize,
    first: String,
    files: Option<Vec<String>>,
    tests: Option<Vec<String>>,
}

/// The cells of a table's line; none for any other line.
fn cells(line: &str) -> Option<Vec<&str>> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(inner.split('|').map(str::trim).collect())
}

fn code_spans(cell: &str) -> Vec<String> {
    let odd = cell.split('`').skip(1).step_by(2);
    odd.map(str::to_owned).collect()
}

fn rows(text: &str) -> Vec<Row> {
    let (mut rows, mut columns) = (Vec::new(), None);
    for (number, line) in text.lines().enumerate() {
        let Some(cells) = cells(line) else {
            columns = None;
            continue;
        };
        let Some((files, tests)) = columns else {
            let place = |title| cells.iter().position(|cell| *cell == title);
            columns = Some((place(FILES), place(TESTS)));
            continue;
        };
        let spans = |column: Option<usize>| Some(code_spans(cells.get(column?)?));
        if cells.iter().all(|cell| cell.starts_with("---")) || (files.or(tests)).is_none() {
            continue;
        }
        rows.push(Row {
            line: number + 1,
            first: cells[0].to_owned(),
            files: spans(files),
            tests: spans(tests),
        });
    }
    rows
}

fn sources(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources").flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() {
            if !LEFT_OUT.iter().any(|left_out| name == *left_out) {
                sources(&path, ending, found);
            }
        } else if name.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
}

/// The names of the Rust tests of a file: functions with a test's attribute, and stories of the
/// store's `on_both!`.
fn rust_tests(text: &str) -> Vec<String> {
    let (mut names, mut is_test, mut in_list) = (Vec::new(), false, false);
    for line in text.lines().map(str::trim) {
        if line.starts_with("on_both![") {
            in_list = true;
        }
        if in_list {
            let list = line.trim_start_matches("on_both![").split("];");
            let stories = list.take(1).flat_map(|list| list.split(','));
            names.extend(stories.map(|story| story.trim().to_owned()));
            in_list = !line.contains("];");
        } else if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some(after) = line.split("fn ").nth(1).filter(|_| is_test) {
            names.extend(after.split('(').next().map(str::to_owned));
            is_test = false;
        }
    }
    names
}

/// The titles of the tests of a file for Node's runner, as they are written.
fn node_tests(text: &str) -> Vec<String> {
    let starts = ["test('", "test(`"];
    let calls = text.lines().filter_map(|line| {
        let start = starts.iter().find(|start| line.contains(**start))?;
        let (_, title) = line.split_once(start)?;
        title.split(&start[5..]).next().map(str::to_owned)
    });
    calls.collect()
}

fn all_tests() -> HashSet<String> {
    let mut names = HashSet::new();
    for (ending, read) in [
        (".rs", rust_tests as fn(&str) -> Vec<String>),
        (".test.mjs", node_tests),
    ] {
        let mut files = Vec::new();
        sources(root(), ending, &mut files);
        for file in files {
            names.extend(read(&fs::read_to_string(file).expect("a source")));
        }
    }
    names
}

/// What is wrong with the tables of a document.
fn problems(document: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(document)).expect("a document");
    let (found, tests) = (rows(&text), all_tests());
    assert!(!found.is_empty(), "{document} has tables");
    let mut problems = Vec::new();
    for row in found {
        let place = format!("{document}:{}", row.line);
        for file in row.files.iter().flatten() {
            if !root().join(file).is_file() {
                problems.push(format!("{place}: there is no file {file}"));
            }
        }
        for name in row.tests.iter().flatten() {
            let exists = match name.contains('/') {
                true => root().join(name).is_file(),
                false => tests.contains(name),
            };
            if !exists {
                problems.push(format!("{place}: there is no test {name}"));
            }
        }
    }
    problems
}

#[test]
fn what_the_tables_name_exists() {
    for document in ["SECURITY.md", "docs/TROUBLESHOOTING.md", "docs/TENANTS.md"] {
        let problems = problems(document);
        assert!(problems.is_empty(), "{problems:#?}");
    }
}

/// The Rust sources of the services and crates in one text, in which a string that goes on in the
/// next line is whole.
fn all_sources() -> String {
    let mut files = Vec::new();
    for folder in ["proxmox-api/src", "agent-api/src", "web-ui/src", "crates"] {
        sources(&root().join(folder), ".rs", &mut files);
    }
    let texts = files
        .iter()
        .map(|file| fs::read_to_string(file).expect("a source"));
    let lines: Vec<String> = texts
        .flat_map(|text| {
            text.lines()
                .map(|line| line.trim().to_owned())
                .collect::<Vec<_>>()
        })
        .collect();
    lines.join("\n").replace("\\\n", "")
}

#[test]
fn log_messages_that_the_operator_is_told_of_are_in_the_code() {
    let text = fs::read_to_string(root().join("docs/OPERATIONS.md")).expect("a document");
    let (_, table) = text.split_once("| The log says |").expect("the table");
    let table = table.split("\n\n").next().unwrap_or_default();
    let (sources, mut seen) = (all_sources(), 0);
    for row in table.lines().filter_map(cells) {
        for message in code_spans(row[0]).iter().filter(|span| span.contains(' ')) {
            assert!(
                sources.contains(message.as_str()),
                "no code says `{message}`"
            );
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen} messages");
}

#[test]
fn files_that_documents_name_exist() {
    // Made by a build, or an example of a name.
    const OTHER: [&str; 3] = ["web-ui/dist", "NAME", "NNNN"];
    let mut documents = Vec::new();
    sources(&root().join("docs"), ".md", &mut documents);
    documents.extend(["README.md", "SECURITY.md"].map(|name| root().join(name)));
    for document in documents {
        let text = fs::read_to_string(&document).expect("a document");
        for span in code_spans(&text) {
            let parts = ["proxmox-api/", "agent-api/", "web-ui/", "crates/", "e2e/"];
            let is_path = parts.iter().any(|part| span.starts_with(part));
            if !is_path
                || span.contains([' ', '*', '{'])
                || OTHER.iter().any(|part| span.contains(part))
            {
                continue;
            }
            let exists = root().join(&span).exists();
            assert!(exists, "{}: there is no {span}", document.display());
        }
    }
}

#[test]
fn every_end_to_end_test_is_in_the_table_of_them() {
    let text = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).expect("a document");
    let named: HashSet<String> = code_spans(&text).into_iter().collect();
    let mut files = Vec::new();
    sources(&root().join("e2e/tests"), ".test.mjs", &mut files);
    assert!(files.len() > 20, "{files:?}");
    for file in files {
        let name = file.file_name().expect("a file").to_string_lossy();
        assert!(named.contains(&*name), "docs/ARCHITECTURE.md has no {name}");
    }
}

#[test]
fn every_rule_has_a_number_of_its_own_code_and_a_test() {
    let text = fs::read_to_string(root().join("SECURITY.md")).expect("a document");
    let mut numbers = HashSet::new();
    for row in rows(&text) {
        let line = row.line;
        assert!(row.files.is_some_and(|all| !all.is_empty()), "line {line}");
        assert!(row.tests.is_some_and(|all| !all.is_empty()), "line {line}");
        if row.first.parse::<u32>().is_ok() {
            assert!(numbers.insert(row.first), "line {line}: a number twice");
        }
    }
    // Rows that refer to rules name their numbers in brackets.
    for reference in text.split("(rule ").skip(1) {
        let number = reference.split(')').next().unwrap_or_default();
        assert!(numbers.contains(number), "there is no rule {number}");
    }
    assert!(numbers.len() >= 24);
}

#[test]
fn a_row_is_read_with_what_it_names() {
    let text = "| # | Code | Test |\n| --- | --- | --- |\n| 7 | `a.rs`, `b.rs` | `it_holds` |\n\n\
                | Other | Table |\n| --- | --- |\n| `x` | `y` |\n";
    let found = rows(text);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].line, &*found[0].first), (3, "7"));
    assert_eq!(found[0].files.as_deref().unwrap(), ["a.rs", "b.rs"]);
    assert_eq!(found[0].tests.as_deref().unwrap(), ["it_holds"]);
    let rust = "on_both![one, two];\n#[tokio::test]\nasync fn three() {}\nfn four() {}\n";
    assert_eq!(rust_tests(rust), ["one", "two", "three"]);
    let node = "  test('a name', () => {\n  test(`with ${it}`, () => {\n";
    assert_eq!(node_tests(node), ["a name", "with ${it}"]);
}
