//! What is said over a console's WebSocket. The first message is ours and brings the ticket; the server answers with a ticket for
//! coming back after a cut; from then on, bytes are the terminal's, and a text of ours says its size.

use api_types::Secret;
use serde::Deserialize;
use serde_json::json;

use super::TerminalState;
use crate::text::leases::terminal;

/// The largest frame that we send; a long paste is cut into several.
pub const LARGEST_FRAME: usize = 32 * 1024;
/// Seconds for which the server keeps a shell whose connection was cut.
pub const KEPT_SECONDS: u64 = 120;

/// Brings the ticket.
pub fn first_message(ticket: &Secret, (columns, rows): (u32, u32)) -> String {
    json!({"ticket": ticket.expose(), "resize": [columns, rows]}).to_string()
}

/// Says the terminal's size.
pub fn size_message((columns, rows): (u32, u32)) -> String {
    json!({"resize": [columns, rows]}).to_string()
}

/// The ticket for coming back, from the server's only text.
pub fn ticket_to_resume(text: &str) -> Option<Secret> {
    #[derive(Deserialize)]
    struct Message {
        opened: Opened,
    }
    #[derive(Deserialize)]
    struct Opened {
        resume: Option<Secret>,
    }
    let message: Message = serde_json::from_str(text).ok()?;
    message.opened.resume
}

/// What the machine's side clears the screen with when somebody attaches to a shell (dtach).
const CLEARS: &[u8] = b"\x1b[H\x1b[J";

/// The first bytes after coming back, without the clearing of a screen that already shows what it should.
pub fn without_clearing(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(CLEARS).unwrap_or(bytes)
}

/// Another size, for a moment: a shell or a program redraws itself when its screen has changed.
pub const fn nudged((columns, rows): (u32, u32)) -> (u32, u32) {
    if rows > 1 {
        (columns, rows - 1)
    } else {
        (columns, rows + 1)
    }
}

/// What follows when the connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Connect again with the ticket for that.
    Again,
    /// It is over.
    Over,
}

/// Reads a close code. Only what nobody meant is mended by itself: a cut line, a server that goes or fails.
pub fn after_close(code: u16, can_resume: bool, seconds_since_cut: u64) -> Next {
    let unmeant = matches!(code, 1001 | 1005 | 1006 | 1011 | 1012 | 1013);
    if unmeant && can_resume && seconds_since_cut < KEPT_SECONDS {
        Next::Again
    } else {
        Next::Over
    }
}

/// Whether a ticket can still open its terminal: nothing has used it, and it is not too old.
pub fn is_unused(state: &TerminalState, was_open: bool, expires_at: u64, now: u64) -> bool {
    let unmeant = match state {
        TerminalState::Failed(_) => true,
        TerminalState::Closed { code, .. } => matches!(code, 1001 | 1005 | 1006 | 1011..=1013),
        _ => false,
    };
    unmeant && !was_open && now < expires_at
}

/// A sentence for a close without one.
pub fn reason(code: u16, given: &str) -> String {
    if !given.is_empty() {
        return given.to_owned();
    }
    terminal::closed(code).to_owned()
}

/// Seconds before the next attempt to come back, from 1.
pub fn pause(attempt: u32) -> u32 {
    attempt.clamp(1, 5)
}

/// Whether a text may do something by being pasted: it has lines, each of which a shell would run.
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
        assert_eq!(ticket_to_resume(opened), Some(Secret::new("t-2")));
        assert_eq!(ticket_to_resume("hello"), None);
    }

    #[test]
    fn only_what_nobody_meant_is_mended() {
        for (code, next) in [
            (1006, Next::Again),
            (1012, Next::Again),
            (1000, Next::Over),
            (4410, Next::Over),
            (4411, Next::Over),
        ] {
            assert_eq!(after_close(code, true, 0), next, "{code}");
        }
        assert_eq!(after_close(1006, false, 0), Next::Over);
        assert_eq!(after_close(1006, true, KEPT_SECONDS), Next::Over);
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
        assert_eq!(nudged((80, 24)), (80, 23));
        assert_eq!(nudged((80, 1)), (80, 2));
    }

    #[test]
    fn every_ending_has_a_sentence() {
        assert_eq!(reason(4410, ""), "The lease is over.");
        assert_eq!(
            reason(4410, "The lease ended at noon."),
            "The lease ended at noon."
        );
        assert!(!reason(3999, "").is_empty());
    }
}
