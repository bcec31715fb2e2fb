//! Makes every character visible in texts that a customer signs or confirms. Control characters,
//! characters without width and those that reorder their neighbours are replaced by marks such as
//! `⟨U+202E⟩`. The mark's own bracket is replaced as well, so that no text can imitate a mark. Long
//! gaps, which push the rest out of sight, are replaced by their length.

use std::fmt::Write as _;

/// The longest run of spaces that is shown unchanged.
const MOST_SPACES: usize = 8;
/// The longest run of empty lines that is shown unchanged.
const MOST_EMPTY_LINES: usize = 2;
/// Opens a mark.
const OPEN: char = '⟨';

/// Whether a character is invisible, or changes how others are shown.
pub fn hides(c: char) -> bool {
    let invisible = matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}');
    // Private-use characters, which depend on the font, and white space other than a plain space.
    let private = matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}');
    let blank = c != ' ' && c.is_whitespace();
    invisible || private || blank || c.is_control()
}

/// A mark with this text, which must have no hidden characters.
pub fn mark(text: &str) -> String {
    format!("{OPEN}{text}⟩")
}

/// The text as several lines; line breaks are kept.
pub fn block(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut empty = 0;
    for line in text.split('\n') {
        if line.trim_matches(' ').is_empty() {
            empty += 1;
            continue;
        }
        gap(&mut shown, empty);
        empty = 0;
        write_line(&mut shown, line);
        shown.push('\n');
    }
    shown.truncate(shown.trim_end_matches('\n').len());
    shown
}

/// The text as one line; line breaks are marked.
pub fn line(text: &str) -> String {
    let lines = block(text);
    lines.replace('\n', "⟨line break⟩")
}

fn gap(shown: &mut String, empty: usize) {
    match empty {
        0 => {}
        few if few <= MOST_EMPTY_LINES => shown.push_str(&"\n".repeat(few)),
        many => write_mark(shown, format_args!("{OPEN}{many} empty lines⟩\n")),
    }
}

fn write_line(shown: &mut String, line: &str) {
    let mut spaces = 0;
    for c in line.chars() {
        if c == ' ' {
            spaces += 1;
            continue;
        }
        write_spaces(shown, spaces);
        spaces = 0;
        if hides(c) || c == OPEN {
            write_mark(shown, format_args!("{OPEN}U+{:04X}⟩", u32::from(c)));
        } else {
            shown.push(c);
        }
    }
    write_spaces(shown, spaces);
}

fn write_spaces(shown: &mut String, spaces: usize) {
    if spaces > MOST_SPACES {
        write_mark(shown, format_args!("{OPEN}{spaces} spaces⟩"));
    } else {
        shown.push_str(&" ".repeat(spaces));
    }
}

fn write_mark(shown: &mut String, mark: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = shown.write_fmt(mark);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hidden_characters_are_marked_and_the_rest_is_unchanged() {
        let cases = [
            ("ls -l | wc", "ls -l | wc"),
            ("grüße 你好", "grüße 你好"),
            ("a\u{202e}b", "a⟨U+202E⟩b"),
            ("a\tb\r", "a⟨U+0009⟩b⟨U+000D⟩"),
            ("\u{1b}[8mhidden", "⟨U+001B⟩[8mhidden"),
            ("a\u{a0}b\u{e0041}", "a⟨U+00A0⟩b⟨U+E0041⟩"),
            ("⟨9 spaces⟩", "⟨U+27E8⟩9 spaces⟩"),
            ("a         b", "a⟨9 spaces⟩b"),
            ("a\n\n\n \n\nb", "a\n⟨4 empty lines⟩\nb"),
            ("a\n\nb\n", "a\n\nb"),
        ];
        for (text, shown) in cases {
            assert_eq!(block(text), shown, "{text:?}");
        }
        assert_eq!(line("a\nb"), "a⟨line break⟩b");
    }

    proptest! {
        #[test]
        fn a_shown_text_has_no_hidden_characters(text in any::<String>()) {
            prop_assert!(!line(&text).contains(hides));
            prop_assert!(!block(&text).contains(|c| c != '\n' && hides(c)));
        }

        #[test]
        fn texts_that_differ_in_one_character_are_shown_differently(
            before in "[a-z ]{0,5}", one in any::<char>(), other in any::<char>(),
        ) {
            let shown = |c: char| block(&format!("{before}x{c}x"));
            prop_assert_eq!(one == other, shown(one) == shown(other));
        }
    }
}
