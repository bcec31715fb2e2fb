//! Words for the container's shell.

/// Quotes a word for a POSIX shell: in single quotes nothing has a meaning but the quote itself.
pub fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() })]
        #[test]
        fn a_shell_gives_back_every_word_as_it_was(words in prop::collection::vec("[^\0]{0,20}", 1..4)) {
            let script: String = words.iter().map(|word| format!(" {}", quoted(word))).collect();
            let script = format!("printf '%s\\0'{script}");
            let output = Command::new("sh").args(["-c", &script]).output().unwrap();
            let expected: String = words.iter().map(|word| format!("{word}\0")).collect();
            prop_assert_eq!(output.stdout, expected.into_bytes());
        }
    }
}
