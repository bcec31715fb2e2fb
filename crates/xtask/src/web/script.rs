//! Removes comment lines and indentation from the generated scripts.

/// The script without comment lines and indentation. A script with a text over several lines stays
/// as it is, since a line of that text could look like a comment.
pub fn without_comments(script: &str) -> String {
    if script
        .lines()
        .any(|line| line.matches('`').count() % 2 == 1)
    {
        return script.to_owned();
    }
    let mut kept = String::with_capacity(script.len());
    let mut in_comment = false;
    for line in script.lines().map(str::trim) {
        if in_comment || line.starts_with("/*") {
            in_comment = !line.ends_with("*/");
        } else if !line.is_empty() && !line.starts_with("//") {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_people_read_goes() {
        let script = "/**\n * What it does.\n */\nexport function f(a) {\n    // A reason.\n    const b = \"// no comment\";\n\n    return a + b; // after code\n}\n/* one line */\nf();\n";
        assert_eq!(
            without_comments(script),
            "export function f(a) {\nconst b = \"// no comment\";\nreturn a + b; // after code\n}\nf();\n"
        );
    }

    #[test]
    fn a_script_with_a_text_over_several_lines_stays_as_it_is() {
        let script = "const text = `a\n    // of the text\n`;\n";
        assert_eq!(without_comments(script), script);
    }
}
