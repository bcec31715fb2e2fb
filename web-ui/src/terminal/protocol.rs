//! The messages of a console's WebSocket. The first one is ours and has the ticket. The server
//! responds with a ticket for reconnecting. From then on bytes are the terminal's, and texts of
//! ours tell its size.

use api_types::Secret;
use serde::Deserialize;
use serde_json::json;

use super::TerminalState;
use crate::text::leases::terminal;

/// The largest frame that we send. A long paste is sent in several.
pub const LARGEST_FRAME: usize = 32 * 1024;
/// How long the server keeps a shell whose connection was lost, in seconds.
pub const RECONNECT_SECONDS: u64 = 120;

/// The first message: ticket and size.
pub fn first_message(ticket: &Secret, (columns, rows): (u32, u32)) -> String {
    json!({"ticket": ticket.expose(), "resize": [columns, rows]}).to_string()
}

/// The message that tells the terminal's size.
pub fn size_message((columns, rows): (u32, u32)) -> String {
    json!({"resize": [columns, rows]}).to_string()
}

/// The ticket for reconnecting, from the server's only text message.
pub fn resume_ticket(text: &str) -> Option<Secret> {
    #[derive(Deserialize)]
    struct ServerMessage {
        opened: Opened,
    }
    #[derive(Deserialize)]
    struct Opened {
        resume: Option<Secret>,
    }
    let message: ServerMessage = serde_json::from_str(text).ok()?;
    message.opened.resume
}

/// How dtach in the container clears the screen when a client attaches.
const CLEAR_SCREEN: &[u8] = b"\x1b[H\x1b[J";

/// The first bytes after reconnecting, without clearing the screen, which already shows the right
/// content.
pub fn without_clearing(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(CLEAR_SCREEN).unwrap_or(bytes)
}

/// A different size. A shell or a program redraws itself when its size changes.
pub const fn other_size((columns, rows): (u32, u32)) -> (u32, u32) {
    if rows > 1 {
        (columns, rows - 1)
    } else {
        (columns, rows + 1)
    }
}

/// What follows a closed connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterClose {
    /// Reconnect with the ticket for that.
    Reconnect,
    /// The terminal is closed.
    End,
}

/// Reads a close code. Only unintended closes reconnect: a lost connection, a server that restarts
/// or fails.
pub fn after_close(code: u16, can_resume: bool, seconds_since_cut: u64) -> AfterClose {
    if is_unintended(code) && can_resume && seconds_since_cut < RECONNECT_SECONDS {
        AfterClose::Reconnect
    } else {
        AfterClose::End
    }
}

/// Whether a close code is that of a lost connection, or of a server that restarts or fails.
fn is_unintended(code: u16) -> bool {
    matches!(code, 1001 | 1005 | 1006 | 1011..=1013)
}

/// Whether a ticket can still open its terminal: it was not used and has not expired.
pub fn is_unused(state: &TerminalState, was_open: bool, expires_at: u64, now: u64) -> bool {
    let unintended = match state {
        TerminalState::Failed(_) => true,
        TerminalState::Closed { code, .. } => is_unintended(*code),
        _ => false,
    };
    unintended && !was_open && now < expires_at
}

/// The reason of a close, for people: the server's, or one for the code.
pub fn reason(code: u16, given: &str) -> String {
    if !given.is_empty() {
        return given.to_owned();
    }
    terminal::closed(code).to_owned()
}

/// The seconds before an attempt to reconnect (from 1).
pub fn backoff(attempt: u32) -> u32 {
    attempt.clamp(1, 5)
}

/// Whether pasting a text runs commands: it has line breaks, and a shell runs each line.
pub fn runs_when_pasted(text: &str) -> bool {
    text.contains(['\n', '\r'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ticket_goes_first_and_the_next_one_comes_back() {
        let ticket = Secret::new("t-1");
        assert_eq!(
            first_message(&ticket, (80, 24)),
            r#"{"resize":[80,24],"ticket":"t-1"}"#
        );
        assert_eq!(size_message((132, 43)), r#"{"resize":[132,43]}"#);
        let opened = r#"{"opened":{"ctid":101,"hostname":"box","expiresAt":"2026-01-01T00:00:00Z","resume":"t-2"}}"#;
        assert_eq!(resume_ticket(opened), Some(Secret::new("t-2")));
        assert_eq!(resume_ticket("hello"), None);
    }

    #[test]
    fn only_what_nobody_meant_is_mended() {
        for (code, next) in [
            (1006, AfterClose::Reconnect),
            (1012, AfterClose::Reconnect),
            (1000, AfterClose::End),
            (4410, AfterClose::End),
            (4411, AfterClose::End),
        ] {
            assert_eq!(after_close(code, true, 0), next, "{code}");
        }
        assert_eq!(after_close(1006, false, 0), AfterClose::End);
        assert_eq!(after_close(1006, true, RECONNECT_SECONDS), AfterClose::End);
    }

    #[test]
    fn a_ticket_is_good_until_it_was_used_or_its_time_is_over() {
        let failed = TerminalState::Failed("Words.".into());
        let closed = |code| TerminalState::Closed {
            code,
            reason: String::new(),
        };
        for state in [&failed, &closed(1006), &closed(1013)] {
            assert!(is_unused(state, false, 100, 99), "{state:?}");
            assert!(
                !is_unused(state, true, 100, 99),
                "{state:?} after it was open"
            );
            assert!(!is_unused(state, false, 100, 100), "{state:?} too late");
        }
        for state in [closed(4401), closed(1000), TerminalState::Connecting] {
            assert!(!is_unused(&state, false, 100, 99), "{state:?}");
        }
    }

    #[test]
    fn a_screen_is_not_cleared_on_coming_back_and_its_program_redraws_it() {
        assert_eq!(without_clearing(b"\x1b[H\x1b[J$ "), b"$ ");
        assert_eq!(without_clearing(b"\x1b[J"), b"\x1b[J");
        assert_eq!(other_size((80, 24)), (80, 23));
        assert_eq!(other_size((80, 1)), (80, 2));
    }

    #[test]
    fn every_ending_has_a_sentence() {
        assert_eq!(reason(4410, ""), "The lease has expired.");
        assert_eq!(
            reason(4410, "The lease ended at noon."),
            "The lease ended at noon."
        );
        assert!(!reason(3999, "").is_empty());
    }
}
