//! Keeps the documents equal to the schema: a test compares the text between two marks, or writes
//! it if `UPDATE_DOCUMENTS` is set.

use std::path::Path;

/// The variable that makes [`keep`] write instead of compare.
const UPDATE: &str = "UPDATE_DOCUMENTS";

/// Asserts that the text between the lines that contain `begin` and `end` is this one; for tests.
///
/// # Panics
/// The file cannot be read, has no such marks, or has another text between them. With
/// `UPDATE_DOCUMENTS=1` the text is written instead.
pub fn keep(file: &Path, begin: &str, end: &str, wanted: &str) {
    let name = file.display();
    let found = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{name}: {error}"));
    let replaced = replace(&found, begin, end, wanted)
        .unwrap_or_else(|| panic!("{name} has no lines with {begin:?} and {end:?}"));
    if found == replaced {
        return;
    }
    assert!(
        std::env::var_os(UPDATE).is_some(),
        "{name} differs from the schema between {begin:?} and {end:?}; run the test again with {UPDATE}=1"
    );
    std::fs::write(file, replaced).unwrap_or_else(|error| panic!("{name}: {error}"));
}

fn replace(document: &str, begin: &str, end: &str, wanted: &str) -> Option<String> {
    let from = document.find(begin)?;
    let from = from + document[from..].find('\n')? + 1;
    let until = from + document[from..].find(end)?;
    let until = document[..until].rfind('\n')? + 1;
    Some(format!(
        "{}{wanted}{}",
        &document[..from],
        &document[until..]
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_text_between_the_marks_is_replaced() {
        let document = "a\n# begin here\nold\nold\n# end here\nb\n";
        let replaced = replace(document, "begin", "end", "new\n").unwrap();
        assert_eq!(replaced, "a\n# begin here\nnew\n# end here\nb\n");
        assert_eq!(
            replace(&replaced, "begin", "end", "new\n").unwrap(),
            replaced
        );
        assert_eq!(replace("a\n# end\n# begin\n", "begin", "end", ""), None);
    }
}
