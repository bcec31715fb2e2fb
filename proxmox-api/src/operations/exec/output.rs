//! Output for an answer, which is text: whole at the end, or in pieces while the command runs.

use std::sync::{Mutex, PoisonError};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use pve::{OutputSink, OutputStream};
use serde_json::json;

use crate::paywall::progress::Progress;

/// Output as text and, where it is no text, also in base64. A character that was cut in two at the limit is left out.
pub(super) fn text(mut bytes: Vec<u8>, whole: u64) -> (String, Option<String>) {
    if whole > bytes.len() as u64
        && let Err(error) = std::str::from_utf8(&bytes)
        && error.error_len().is_none()
    {
        bytes.truncate(error.valid_up_to());
    }
    match String::from_utf8(bytes) {
        Ok(text) => (text, None),
        Err(error) => {
            let bytes = error.as_bytes();
            let text = String::from_utf8_lossy(bytes).into_owned();
            (text, Some(STANDARD.encode(bytes)))
        }
    }
}

/// Passes output on as events `stdout` and `stderr` with a piece of `text` each.
pub(super) fn sink(progress: Progress) -> OutputSink {
    let pieces: Mutex<[Pieces; 2]> = Mutex::default();
    OutputSink::new(move |stream, bytes| {
        let (position, name) = match stream {
            OutputStream::Stdout => (0, "stdout"),
            OutputStream::Stderr => (1, "stderr"),
        };
        let mut pieces = pieces.lock().unwrap_or_else(PoisonError::into_inner);
        let text = pieces[position].push(bytes);
        if !text.is_empty() {
            progress.say(name, json!({ "text": text }));
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
            // A chunk's invalid end that is cut short by the end of the bytes may still become a character.
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
