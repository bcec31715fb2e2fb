//! Converts a command's output to text for the answer: whole at the end, or in pieces while it
//! runs.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use pve::{OutputSink, OutputStream};

use crate::progress::Progress;

/// How much output is passed on while a command runs, in bytes.
const PASSED_LIMIT: usize = 8 << 20;
/// Output up to this size, in bytes, is shown unchanged.
const SMALL: usize = 4096;

/// Output as text and, where it is no text, also in base64. A character that was cut in two at the
/// limit is left out.
pub fn text(mut bytes: Vec<u8>, whole: u64) -> (String, Option<String>) {
    if whole > bytes.len() as u64
        && let Err(error) = std::str::from_utf8(&bytes)
        && error.error_len().is_none()
    {
        bytes.truncate(error.valid_up_to());
    }
    let (text, mut is_text) = match String::from_utf8(bytes.clone()) {
        Ok(text) => (text, true),
        Err(error) => (
            String::from_utf8_lossy(error.as_bytes()).into_owned(),
            false,
        ),
    };
    let mut shown = text;
    // A control character takes six bytes in JSON, and a replacement three: what is mostly those is
    // no text, and is shown without them.
    if bytes.len() > SMALL && escaped_len(&shown) > 2 * bytes.len() {
        shown.retain(|character| !is_noise(character));
        is_text = false;
    }
    (shown, (!is_text).then(|| STANDARD.encode(bytes)))
}

fn escaped_len(text: &str) -> usize {
    let of = |character: char| {
        if character.is_ascii() && is_noise(character) {
            6
        } else {
            character.len_utf8()
        }
    };
    text.chars().map(of).sum()
}

fn is_noise(character: char) -> bool {
    character == char::REPLACEMENT_CHARACTER
        || (character.is_ascii_control() && !matches!(character, '\n' | '\r' | '\t'))
}

/// Cuts off the beginning of a character that the rest of the output ends, unless nothing is left.
pub fn cut_to_characters(bytes: &mut Vec<u8>) {
    if let Err(error) = std::str::from_utf8(bytes)
        && error.error_len().is_none()
        && error.valid_up_to() > 0
    {
        bytes.truncate(error.valid_up_to());
    }
}

/// Passes output on as events `stdout` and `stderr` with a piece of `text` each.
pub fn sink(progress: Progress) -> OutputSink {
    let pieces: Mutex<[Pieces; 2]> = Mutex::default();
    let passed = AtomicUsize::new(0);
    let is_cut = AtomicBool::new(false);
    OutputSink::new(move |stream, bytes| {
        if is_cut.load(Ordering::Relaxed) {
            return;
        }
        let cut = || {
            is_cut.store(true, Ordering::Relaxed);
            progress.step("output_truncated");
        };
        if passed.fetch_add(bytes.len(), Ordering::Relaxed) + bytes.len() > PASSED_LIMIT {
            return cut();
        }
        let (position, name) = match stream {
            OutputStream::Stdout => (0, "stdout"),
            OutputStream::Stderr => (1, "stderr"),
        };
        let mut pieces = pieces.lock().unwrap_or_else(PoisonError::into_inner);
        let text = pieces[position].push(bytes);
        // What a slow client has not taken yet is kept in memory.
        if !text.is_empty() && !progress.say_output(name, text) {
            cut();
        }
    })
}

/// Text that comes in pieces whose borders may be within a character.
#[derive(Default)]
struct Pieces(Vec<u8>);

impl Pieces {
    /// Everything that is known to be whole by now; what can never become a character is replaced.
    fn push(&mut self, bytes: &[u8]) -> String {
        self.0.extend_from_slice(bytes);
        let open = match self.0.utf8_chunks().last() {
            // A chunk's invalid end that is cut short by the end of the bytes may still become a
            // character.
            Some(last)
                if std::str::from_utf8(last.invalid()).is_err_and(|e| e.error_len().is_none()) =>
            {
                last.invalid().len()
            }
            _ => 0,
        };
        let rest = self.0.split_off(self.0.len() - open);
        let whole = std::mem::replace(&mut self.0, rest);
        String::from_utf8_lossy(&whole).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_is_text_and_anything_else_comes_in_base64_too() {
        assert_eq!(text(b"a\0\r\n".to_vec(), 4), ("a\0\r\n".into(), None));
        assert_eq!(
            text(vec![b'a', 0xff], 2),
            ("a\u{fffd}".into(), Some("Yf8=".into()))
        );
        let cut = "é".as_bytes()[..1].to_vec();
        assert_eq!(
            text([b"a".to_vec(), cut.clone()].concat(), 99),
            ("a".into(), None)
        );
        assert_eq!(text(cut, 1).0, "\u{fffd}", "it ends so");
    }

    #[test]
    fn what_is_mostly_control_characters_takes_no_more_room_than_its_bytes() {
        for noise in [0, 1, 0xff] {
            let (shown, base64) = text(vec![noise; 65_536], 65_536);
            assert_eq!((shown.as_str(), base64.unwrap().len()), ("", 87_384));
        }
        let (shown, base64) = text([vec![0; 5000], b"build failed\n".to_vec()].concat(), 5013);
        assert_eq!((shown.as_str(), base64.is_some()), ("build failed\n", true));
        // Colours are a few control characters among words.
        let coloured = b"\x1b[31mred\x1b[0m and plain".to_vec();
        assert_eq!(text(coloured, 24).1, None);
    }

    proptest! {
        #[test]
        fn pieces_make_the_same_text_wherever_they_are_cut(whole in "\\PC{0,40}", cut in 1_usize..7) {
            let mut pieces = Pieces::default();
            let text: String = whole.as_bytes().chunks(cut).map(|piece| pieces.push(piece)).collect();
            prop_assert_eq!(text, whole);
        }

        #[test]
        fn no_bytes_are_kept_for_ever(bytes in prop::collection::vec(any::<u8>(), 0..60), cut in 1_usize..7) {
            let mut pieces = Pieces::default();
            for piece in bytes.chunks(cut) {
                pieces.push(piece);
                prop_assert!(pieces.0.len() < 4);
            }
        }
    }
}
