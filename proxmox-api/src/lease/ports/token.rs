//! Tokens that open a published port: signed over the lease, the port and its epoch, and stored
//! nowhere. A link's token is good until the port's access is changed; that of a visit for a day,
//! for the owner, whatever the access.

use api_types::PortAccess;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use service::crypto;

use crate::{ids::LeaseId, installation::Installation, store::Port};

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// Those who have the link.
    Link,
    /// The owner, until a time, Unix seconds.
    Visit(i64),
}

impl TokenKind {
    /// The part of a token that says what it is for.
    fn text(self) -> String {
        match self {
            Self::Link => "l".into(),
            Self::Visit(until) => format!("v{until}"),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text.split_at_checked(1)? {
            ("l", "") => Some(Self::Link),
            ("v", until) => Some(Self::Visit(until.parse().ok()?)),
            _ => None,
        }
    }
}

/// What is signed: the parts have no colon in them, but for the id, which stands last.
fn message(lease_id: &LeaseId, port: &Port, kind: &str) -> String {
    format!("port:{}:{kind}:{}:{lease_id}", port.port, port.epoch)
}

/// What is stored of a ticket. A change of the port's access leaves it without a ticket.
pub fn ticket_hash(port: &Port, ticket: &str) -> String {
    crypto::sha256_hex(format!("{}:{ticket}", port.epoch))
}

/// Makes a token.
pub fn sign(
    installation: &Installation,
    lease_id: &LeaseId,
    port: &Port,
    kind: TokenKind,
) -> String {
    let kind = kind.text();
    let tag = installation.sign(&message(lease_id, port, &kind));
    format!("{kind}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// Whether a token opens the port at `now`; compared in constant time.
pub fn opens(
    installation: &Installation,
    lease_id: &LeaseId,
    port: &Port,
    token: &str,
    now: i64,
) -> Option<TokenKind> {
    let (text, tag) = token.split_once('.')?;
    let kind = TokenKind::parse(text)?;
    let fits = match kind {
        TokenKind::Link => port.access == PortAccess::Link,
        TokenKind::Visit(until) => until > now,
    };
    let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
    let is_ours = installation.has_signed(&message(lease_id, port, text), &tag);
    (fits && is_ours).then_some(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(access: PortAccess) -> Port {
        Port {
            port: 80,
            access,
            epoch: "e1".into(),
        }
    }

    #[test]
    fn a_token_opens_its_own_port_until_the_access_changes_or_its_time_is_over() {
        let ours = Installation::in_test("key");
        let id = LeaseId::from("lease-1");
        let link = port(PortAccess::Link);
        let token = sign(&ours, &id, &link, TokenKind::Link);
        let try_at = |port: &Port, token: &str, now| opens(&ours, &id, port, token, now);
        assert_eq!(try_at(&link, &token, i64::MAX), Some(TokenKind::Link));
        let others = [
            Port {
                port: 81,
                ..link.clone()
            },
            Port {
                epoch: "e2".into(),
                ..link.clone()
            },
            port(PortAccess::Owner),
            port(PortAccess::Public),
        ];
        for other in &others {
            assert_eq!(try_at(other, &token, 0), None, "{other:?}");
        }
        let elsewhere = LeaseId::from("lease-2");
        assert_eq!(opens(&ours, &elsewhere, &link, &token, 0), None);
        let another = Installation::in_test("another");
        assert_eq!(opens(&another, &id, &link, &token, 0), None);

        let visit = sign(&ours, &id, &link, TokenKind::Visit(100));
        for access in PortAccess::ALL {
            assert_eq!(
                try_at(&port(access), &visit, 99),
                Some(TokenKind::Visit(100))
            );
        }
        assert_eq!(try_at(&link, &visit, 100), None, "its time is over");
        for forged in [
            visit.replace("v100", "v200"),
            visit.replace("v100", "l"),
            visit.replace("v100", "v+100"),
            token.replace("l.", "v9."),
            token[..token.len() - 1].to_owned(),
            "l.".into(),
            ".".into(),
            String::new(),
            "é".into(),
        ] {
            assert_eq!(try_at(&link, &forged, 0), None, "{forged}");
        }
    }
}
