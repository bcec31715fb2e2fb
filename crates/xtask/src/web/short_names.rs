//! Short names for what the application's module and its script have in common. The tools end them
//! with a hash each, which compresses badly and is loaded twice, with either file.

use std::collections::HashSet;

use anyhow::{Result, bail};

const LETTERS: &[u8; 52] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// How the names of exported closures begin.
const CLOSURE: &str = "wasm_bindgen__convert__closures";

/// Renames the functions that the module imports from its script, and the closures among what it
/// exports, and gives the script with the same names.
///
/// # Errors
/// The script does not have each of them exactly once.
pub fn shorten(
    script: &str,
    imports: Vec<&mut String>,
    exports: Vec<&mut String>,
) -> Result<String> {
    let mut script = script.to_owned();
    for (number, name) in imports.into_iter().enumerate() {
        let short = letters(number);
        let (from, to) = [&*name, &short]
            .map(|name| format!("{name}: function("))
            .into();
        script = renamed(&script, &from, &to)?;
        *name = short;
    }
    let taken: HashSet<String> = exports.iter().map(|name| (**name).clone()).collect();
    let free = (0..).map(letters).filter(|short| !taken.contains(short));
    let closures = exports.into_iter().filter(|name| name.starts_with(CLOSURE));
    for (name, short) in closures.zip(free) {
        let (from, to) = [&*name, &short].map(|name| format!("wasm.{name}(")).into();
        script = renamed(&script, &from, &to)?;
        *name = short;
    }
    Ok(script)
}

/// The script with `to` in place of `from`, which may not be the end of a longer name.
fn renamed(script: &str, from: &str, to: &str) -> Result<String> {
    let whole = |at: usize| {
        let before = script[..at].chars().next_back();
        !before.is_some_and(|letter| letter.is_alphanumeric() || "_$.".contains(letter))
    };
    let mut found = script.match_indices(from).filter(|(at, _)| whole(*at));
    match (found.next(), found.next()) {
        (Some((at, _)), None) => {
            let (before, after) = (&script[..at], &script[at + from.len()..]);
            Ok([before, to, after].concat())
        }
        _ => bail!("the script does not have {from:?} exactly once"),
    }
}

/// `a` to `Z`, then `aa` and so on.
fn letters(number: usize) -> String {
    let last = char::from(LETTERS[number % LETTERS.len()]);
    match number / LETTERS.len() {
        0 => last.to_string(),
        more => letters(more - 1) + &last.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMPORTS: [&str; 2] = ["__wbg_get_12", "__wbg_get_1"];
    const EXPORTS: [&str; 4] = [
        "memory",
        "a",
        "wasm_bindgen__convert__closures_____invoke__h01",
        "wasm_bindgen__convert__closures_____invoke__h01_2",
    ];

    #[test]
    fn module_and_script_have_the_same_short_names() {
        let (mut imports, mut exports) = (IMPORTS.map(str::to_owned), EXPORTS.map(str::to_owned));
        let script = format!(
            "{{\nx{0}: function() {{}},\n  {0}: function() {{}},\n{1}: function() {{}},\n}}\nwasm.{2}(1);\nwasm.{3}(1);\n",
            IMPORTS[1], IMPORTS[0], EXPORTS[2], EXPORTS[3]
        );
        let script = shorten(
            &script,
            imports.iter_mut().collect(),
            exports.iter_mut().collect(),
        );
        let expected = "{\nx__wbg_get_1: function() {},\n  b: function() {},\na: function() {},\n}\nwasm.b(1);\nwasm.c(1);\n";
        assert_eq!(script.unwrap(), expected);
        assert_eq!(imports, ["a", "b"]);
        assert_eq!(exports, ["memory", "a", "b", "c"]);
    }

    #[test]
    fn a_name_that_the_script_has_not_or_twice_is_an_error() {
        for script in ["", "\n__wbg_get_12: function(\n__wbg_get_12: function("] {
            let mut name = IMPORTS[0].to_owned();
            assert!(
                shorten(script, vec![&mut name], Vec::new()).is_err(),
                "{script}"
            );
        }
    }

    #[test]
    fn no_two_numbers_have_the_same_letters() {
        assert_eq!(
            [0, 51, 52, 103, 104].map(letters),
            ["a", "Z", "aa", "aZ", "ba"]
        );
        let all: std::collections::HashSet<_> = (0..10_000).map(letters).collect();
        assert_eq!(all.len(), 10_000);
    }
}
