//! What a replica shows another one to be led to a shell: which shell, for whom, and when, with a
//! tag by the installation's key. It has the hash of the customer's ticket and not the ticket,
//! which the replica that asks has used up.

use service::crypto;

use crate::{ids::LeaseId, state::App};

/// The header of the request.
pub const HAND_OVER: &str = "x-infra402-hand-over";
/// The header of the answer, by which the replica that is asked proves itself.
pub const ACCEPTED: &str = "x-infra402-hand-over-accepted";
/// Seconds for which a request is good, either way, because clocks differ.
const FRESH: i64 = 30;

/// A request to be led to a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandOver {
    /// The replica that has the shell.
    pub owner: String,
    /// The hash of the ticket that resumes it.
    pub ticket_hash: String,
    /// The lease in whose container it is.
    pub lease_id: LeaseId,
    /// Columns and rows of the client's screen.
    pub size: (u16, u16),
    /// Unix seconds.
    at: i64,
    nonce: String,
}

impl HandOver {
    /// A request of now for the shell of a ticket.
    pub fn new(app: &App, owner: &str, token: &str, lease_id: &LeaseId, size: (u16, u16)) -> Self {
        Self {
            owner: owner.to_owned(),
            ticket_hash: crypto::sha256_hex(token),
            lease_id: lease_id.clone(),
            size,
            at: app.now(),
            nonce: crypto::random_hex(16),
        }
    }

    /// The header's value.
    pub fn signed(&self, app: &App) -> String {
        let text = self.text();
        let tag = app.installation.replica_tag(&text);
        format!("{text} {tag}")
    }

    /// Reads a header's value, and uses its nonce up.
    ///
    /// # Errors
    /// It is no request to this replica that another one has just signed.
    pub fn verify(app: &App, value: &str) -> Result<Self, Forged> {
        let (text, tag) = value.rsplit_once(' ').ok_or(Forged)?;
        if !app.installation.is_replica_tag(text, tag) {
            return Err(Forged);
        }
        let asked = Self::read(text).ok_or(Forged)?;
        let now = app.now();
        let is_fresh = asked.at.abs_diff(now) <= FRESH.unsigned_abs();
        let is_ours = asked.owner == app.replica.id;
        if is_fresh && is_ours && app.replica.use_nonce(&asked.nonce, asked.at + FRESH, now) {
            return Ok(asked);
        }
        Err(Forged)
    }

    /// The value by which the replica that is asked proves itself.
    pub fn accepted(&self, app: &App) -> String {
        app.installation
            .replica_tag(&format!("accepted {}", self.text()))
    }

    /// Whether the answer is that of a replica of this installation.
    pub fn is_accepted(&self, app: &App, value: &str) -> bool {
        let text = format!("accepted {}", self.text());
        app.installation.is_replica_tag(&text, value)
    }

    fn text(&self) -> String {
        let Self {
            owner,
            ticket_hash,
            lease_id,
            size: (columns, rows),
            at,
            nonce,
        } = self;
        format!("console {owner} {ticket_hash} {lease_id} {columns} {rows} {at} {nonce}")
    }

    fn read(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split(' ').collect();
        let ["console", owner, hash, lease, columns, rows, at, nonce] = words[..] else {
            return None;
        };
        Some(Self {
            owner: owner.to_owned(),
            ticket_hash: hash.to_owned(),
            lease_id: lease.into(),
            size: (columns.parse().ok()?, rows.parse().ok()?),
            at: at.parse().ok()?,
            nonce: nonce.to_owned(),
        })
    }
}

/// Not a request of another replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forged;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_back_and_nothing_longer_or_shorter_is_one() {
        let asked = HandOver {
            owner: "0123456789abcdef".to_owned(),
            ticket_hash: "aa".to_owned(),
            lease_id: "lease_1".into(),
            size: (120, 40),
            at: 1_700_000_000,
            nonce: "bb".to_owned(),
        };
        let text = asked.text();
        assert_eq!(HandOver::read(&text), Some(asked));
        for other in [
            format!("{text} more"),
            text.replacen("console ", "", 1),
            text.replace(" 120 ", " many "),
            format!("accepted {text}"),
        ] {
            assert_eq!(HandOver::read(&other), None, "{other}");
        }
    }
}
