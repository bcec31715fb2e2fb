//! Why a console closes: the close code of its WebSocket, a sentence for the person in front of it,
//! a word for the audit trail.

use pve::TerminalError;

use crate::memory::consoles::SeatLoss;

/// Why a console closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsoleEnd {
    /// The shell has ended.
    ShellOver,
    /// The client has closed it.
    ClientLeft,
    /// The client is gone without a word, or does not read.
    ClientLost,
    /// A message that makes no sense.
    NotUnderstood,
    /// A frame above the limit.
    FrameTooLarge,
    /// As many consoles are open as may be; the ticket is good for another try.
    Full,
    /// No ticket came in time.
    NoTicket,
    /// The ticket is unknown, used or late.
    BadTicket,
    /// The ticket is another wallet's.
    NotYours,
    /// The API key that opened it was revoked, switched off or has expired.
    KeyEnded,
    /// Neither typed nor shown anything for long.
    Idle,
    /// A command has the terminal.
    InUse,
    /// The container does not run.
    NotRunning,
    /// The lease is over, or the container destroyed.
    LeaseOver,
    /// Another console of the same lease took over.
    TakenOver,
    /// The service stops, or is started anew.
    Restart,
    /// More bytes than one connection may carry.
    TooMuch,
    /// No account of the service may open terminals.
    AuthUnsupported,
    /// The container's host cannot be reached, or has closed the terminal.
    HostLost,
    /// The terminal's stream ended without a word; the container's state tells why.
    StreamOver,
}

impl ConsoleEnd {
    /// Close code, word and sentence.
    fn parts(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::ShellOver => (1000, "shell_over", "The shell has ended."),
            Self::ClientLeft => (1000, "client_left", "Closed."),
            Self::ClientLost => (1002, "client_lost", "The connection was lost."),
            Self::Restart => (1012, "restart", "The service is being restarted."),
            Self::Full => (1013, "full", "Too many consoles are open; try again."),
            Self::FrameTooLarge => (1009, "frame_too_large", "A message is larger than 64 KiB."),
            Self::NotUnderstood => (4400, "not_understood", "A message was not understood."),
            Self::BadTicket => (
                4401,
                "bad_ticket",
                "The ticket is unknown, used or too old.",
            ),
            Self::NotYours => (4403, "not_yours", "The console belongs to another wallet."),
            Self::KeyEnded => (
                4403,
                "key_ended",
                "The API key that opened the console is not good any more.",
            ),
            Self::NoTicket => (4408, "no_ticket", "No ticket came within three seconds."),
            Self::Idle => (4408, "idle", "Nothing was typed or shown for too long."),
            Self::InUse => (
                4409,
                "in_use",
                "A command is running in the container; try again.",
            ),
            Self::NotRunning => (4409, "not_running", "The container does not run."),
            Self::LeaseOver => (4410, "lease_over", "The lease is over."),
            Self::TakenOver => (4411, "taken_over", "The console was opened somewhere else."),
            Self::TooMuch => (
                4413,
                "too_much",
                "The console has carried more than it may.",
            ),
            Self::AuthUnsupported => (
                4502,
                "auth_unsupported",
                "The container's host lets this service open no terminals.",
            ),
            Self::HostLost | Self::StreamOver => (
                4503,
                "machine_lost",
                "The container's host cannot be reached just now.",
            ),
        }
    }

    /// The close code.
    pub fn code(self) -> u16 {
        self.parts().0
    }

    /// The word in the audit trail and the metrics.
    pub fn word(self) -> &'static str {
        self.parts().1
    }

    /// The sentence; a close frame has room for 123 bytes.
    pub fn reason(self) -> &'static str {
        self.parts().2
    }

    /// Whether the client may come back without a new ticket.
    pub fn is_lost(self) -> bool {
        matches!(
            self,
            Self::ClientLost | Self::HostLost | Self::StreamOver | Self::Restart
        )
    }
}

impl From<SeatLoss> for ConsoleEnd {
    fn from(loss: SeatLoss) -> Self {
        match loss {
            SeatLoss::TakenOver => Self::TakenOver,
            SeatLoss::ServiceStops => Self::Restart,
        }
    }
}

impl From<TerminalError> for ConsoleEnd {
    fn from(error: TerminalError) -> Self {
        match error {
            TerminalError::InUse(_) => Self::InUse,
            TerminalError::NotRunning => Self::NotRunning,
            TerminalError::AuthUnsupported { .. } => Self::AuthUnsupported,
            TerminalError::Api(_)
            | TerminalError::Protocol(_)
            | TerminalError::Lost(_)
            | TerminalError::NoUpgrade { .. }
            | TerminalError::Timeout(_) => Self::HostLost,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_fits_a_close_frame() {
        // The `match` does not compile without an end that the list lacks.
        macro_rules! every_end {
            ($($name:ident)*) => {{
                let complete = |end: ConsoleEnd| match end { $(ConsoleEnd::$name => end),* };
                [$(ConsoleEnd::$name),*].map(complete)
            }};
        }
        let all = every_end![
            ShellOver ClientLeft ClientLost NotUnderstood FrameTooLarge Full NoTicket BadTicket
            NotYours KeyEnded Idle InUse NotRunning LeaseOver TakenOver Restart TooMuch AuthUnsupported
            HostLost StreamOver
        ];
        for end in all {
            assert!(end.reason().len() <= 123);
            assert!(matches!(end.code(), 1000..=1014 | 4000..=4999));
        }
    }
}
