//! Every word that the interface says is in `src/text`, so that another language is another folder:
//! nothing else in the application has a sentence in it.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The server speaks to its operator, not to customers.
const ELSEWHERE: [&str; 2] = ["text", "server"];
/// What others say, which is only recognised.
const RECOGNISED: [&str; 2] = ["Payment required", "No matching payment requirements"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if !ELSEWHERE.contains(&name) {
                sources(&path, found);
            }
        } else if name.ends_with(".rs") && name != "tests.rs" {
            found.push(path);
        }
    }
}

/// The texts in quotes of a line of code, without what explains a bug to developers.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    let code = line.split("//").next().unwrap_or_default();
    let said = !["expect(", "tracing::", "panic!(", "format!(\"M"]
        .iter()
        .any(|other| code.contains(other));
    code.split('"').skip(1).step_by(2).filter(move |_| said)
}

/// A capital letter, and a space before another word of letters.
fn is_sentence(text: &str) -> bool {
    let word = |word: &str| word.len() > 1 && word.chars().all(|c| c.is_ascii_lowercase());
    text.starts_with(|c: char| c.is_ascii_uppercase()) && text.split(' ').skip(1).any(word)
}

#[test]
fn sentences_are_in_one_place() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 80, "{} files", files.len());
    let mut astray = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for line in code.lines() {
            for sentence in
                quoted(line).filter(|text| is_sentence(text) && !RECOGNISED.contains(text))
            {
                let file = file.strip_prefix(&root).unwrap().display();
                astray.push(format!("{file}: {sentence:?}"));
            }
        }
    }
    assert!(astray.is_empty(), "{}", astray.join("\n"));
}

#[test]
fn a_sentence_is_told_from_a_name() {
    for sentence in ["Nothing was charged.", "You declined in your wallet"] {
        assert!(is_sentence(sentence), "{sentence}");
    }
    for name in [
        "Escape",
        "M4 5h16v11H10",
        "POST",
        "lease-head small",
        "Ctrl K",
        "USDC",
    ] {
        assert!(!is_sentence(name), "{name}");
    }
}
