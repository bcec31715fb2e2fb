//! What is printed: tables, times, and text of others made harmless for the terminal.

use std::io::Write as _;

use api_types::Timestamp;
use serde_json::Value;

/// A text of the service or of a container with everything written out that would act on the
/// terminal or change how the text reads: control characters, and marks of direction or of no
/// width.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if acts(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// The same of several lines, of which each stays one.
pub fn printable_lines(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(printable).collect();
    lines.join("\n")
}

/// A JSON document in one line, in which the same characters are escapes of JSON.
pub fn json_line(document: &Value) -> String {
    let mut line = String::new();
    // Outside of its strings a document has none of them.
    for character in document.to_string().chars() {
        match acts(character) {
            true => {
                let units = character.encode_utf16(&mut [0; 2]).to_vec();
                line.extend(units.iter().map(|unit| format!("\\u{unit:04x}")));
            }
            false => line.push(character),
        }
    }
    line
}

fn acts(character: char) -> bool {
    let invisible = matches!(
        character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}'
    );
    character.is_control() || invisible
}

/// Writes a line to standard output. A reader that is gone (`| head`) is no failure.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Writes bytes to standard output or standard error as they are.
pub fn pass_on(to_stdout: bool, bytes: &[u8]) {
    let _ = match to_stdout {
        true => write_and_flush(&mut std::io::stdout(), bytes),
        false => write_and_flush(&mut std::io::stderr(), bytes),
    };
}

fn write_and_flush(writer: &mut dyn std::io::Write, bytes: &[u8]) -> std::io::Result<()> {
    writer.write_all(bytes)?;
    writer.flush()
}

/// Rows under a head, with aligned columns; the last column is as wide as it is.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| printable(cell)).collect())
        .collect();
    let all = || std::iter::once(&head).chain(&rows);
    let width = |column: usize| {
        let cells = all().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let padded: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        padded.join("  ").trim_end().to_owned()
    };
    all().map(line).collect::<Vec<_>>().join("\n")
}

/// The time between two timestamps in its two largest units: `2 d 3 h`, `59 min`, `12 s`.
pub fn span(from: u64, to: Timestamp) -> String {
    let Some(seconds) = to.unix().checked_sub(from) else {
        return "over".to_owned();
    };
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// A number of bytes in the largest unit that leaves a whole number or one decimal.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut tenths = u128::from(count) * 10 / 1024;
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_with_control_characters_is_written_out_and_other_text_stays() {
        assert_eq!(printable("b\u{1b}[2Jox\n"), "b\\u{1b}[2Jox\\n");
        assert_eq!(
            printable("\u{9b}1m\u{202e}\u{200b}"),
            "\\u{9b}1m\\u{202e}\\u{200b}"
        );
        assert_eq!(printable("büro-東京 \\n"), "büro-東京 \\n");
        assert_eq!(printable_lines("a\u{7}\nb\r\n"), "a\\u{7}\nb\\r\n");
    }

    #[test]
    fn a_document_cannot_act_on_the_terminal_and_stays_the_same_document() {
        let document = json!({"name": "b\u{1b}\u{9b}1m\u{202e}\u{e0041}ü \\ \"", "n": [1, null]});
        let line = json_line(&document);
        assert!(!line.chars().any(acts), "{line:?}");
        assert!(line.contains('ü'), "{line}");
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), document);
    }

    #[test]
    fn columns_line_up_and_no_line_ends_in_spaces() {
        let rows = [
            vec!["a".into(), "long".into()],
            vec!["bcd\u{7}".into(), String::new()],
        ];
        let shown = table(&["N", "V"], &rows);
        assert_eq!(shown, "N         V\na         long\nbcd\\u{7}");
    }

    #[test]
    fn times_and_sizes_are_short() {
        let span = |seconds: u64| super::span(100, Timestamp(100 + seconds));
        assert_eq!(
            [span(12), span(3_599), span(7_260), span(190_000)],
            ["12 s", "59 min", "2 h 1 min", "2 d 4 h"]
        );
        assert_eq!(super::span(100, Timestamp(99)), "over");
        assert_eq!(
            [bytes(1023), bytes(1024), bytes(1_572_864)],
            ["1023 B", "1.0 KiB", "1.5 MiB"]
        );
    }
}
