//! Tickets: signed statements of an account and an issue time. The real ones are RSA
//! signatures; these are MACs stretched to the same length, so that a client which cuts them short
//! or forgets to encode them is caught.

use ring::hmac;

use crate::encoding;

/// Life of an access ticket and of its CSRF token, in seconds.
pub(crate) const ACCESS_LIFE: i64 = 2 * 3600;
/// How far a clock may be off for an access ticket, in seconds.
pub(crate) const ACCESS_GRACE: i64 = 300;
/// Life of a terminal ticket, in seconds.
pub(crate) const TERMINAL_LIFE: i64 = 40;
/// How far in the future a terminal ticket may seem to be made, in seconds.
pub(crate) const TERMINAL_GRACE: i64 = 20;

/// The key that signs all tickets of a cluster.
pub(crate) struct Signer(hmac::Key);

impl Signer {
    pub(crate) fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// 256 bytes in base64, the size of an RSA-2048 signature.
    fn signature(&self, text: &str) -> String {
        let blocks: Vec<u8> = (0u8..8)
            .flat_map(|block| {
                let tag = hmac::sign(&self.0, format!("{block}|{text}").as_bytes());
                tag.as_ref().to_vec()
            })
            .collect();
        encoding::base64(&blocks)
    }

    pub(crate) fn access(&self, user: &str, now: u64) -> String {
        let text = format!("PVE:{user}:{now:08X}");
        format!("{text}::{}", self.signature(&text))
    }

    /// The user of a valid access ticket.
    pub(crate) fn verify_access(&self, ticket: &str, now: u64) -> Option<String> {
        let (text, signature) = ticket.split_once("::")?;
        let (user, issued) = text.strip_prefix("PVE:")?.rsplit_once(':')?;
        let age = age(issued, now)?;
        let fresh = (-ACCESS_GRACE..=ACCESS_LIFE).contains(&age);
        (fresh && self.signature(text) == signature).then(|| user.to_owned())
    }

    pub(crate) fn csrf(&self, user: &str, now: u64) -> String {
        let text = format!("CSRF:{user}:{now:08X}");
        let tag = hmac::sign(&self.0, text.as_bytes());
        let digest = encoding::base64(tag.as_ref());
        format!("{now:08X}:{}", digest.trim_end_matches('='))
    }

    pub(crate) fn verify_csrf(&self, token: &str, user: &str, now: u64) -> bool {
        let issued = token.split(':').next().unwrap_or_default();
        let Some(age) = age(issued, now) else {
            return false;
        };
        let made = u64::from_str_radix(issued, 16).unwrap_or_default();
        (-ACCESS_GRACE..=ACCESS_LIFE).contains(&age) && self.csrf(user, made) == token
    }

    /// A ticket for one terminal: bound to the account, the path and the port.
    pub(crate) fn terminal(&self, authid: &str, path: &str, port: u16, now: u64) -> String {
        let plain = format!("PVEVNC:{now:08X}");
        let bound = format!("{plain}:{authid}:{path}:{port}");
        format!("{plain}::{}", self.signature(&bound))
    }

    pub(crate) fn verify_terminal(
        &self,
        ticket: &str,
        authid: &str,
        path: &str,
        port: u16,
        now: u64,
    ) -> bool {
        let Some((plain, signature)) = ticket.split_once("::") else {
            return false;
        };
        let issued = plain
            .strip_prefix("PVEVNC:")
            .and_then(|text| age(text, now));
        let fresh = issued.is_some_and(|age| (-TERMINAL_GRACE..=TERMINAL_LIFE).contains(&age));
        let bound = format!("{plain}:{authid}:{path}:{port}");
        fresh && self.signature(&bound) == signature
    }
}

fn age(issued: &str, now: u64) -> Option<i64> {
    let issued = i64::from_str_radix(issued, 16).ok()?;
    i64::try_from(now).ok()?.checked_sub(issued)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_ticket_lives_two_hours() {
        let signer = Signer::new(b"k");
        let ticket = signer.access("a@pve", 10_000);
        assert_eq!(
            signer.verify_access(&ticket, 17_200).as_deref(),
            Some("a@pve")
        );
        assert_eq!(signer.verify_access(&ticket, 17_201), None);
        assert_eq!(
            signer.verify_access(&ticket.replace("a@pve", "root@pam"), 10_000),
            None
        );
    }

    #[test]
    fn a_terminal_ticket_is_bound_and_lives_forty_seconds() {
        let signer = Signer::new(b"k");
        let ticket = signer.terminal("a@pve!t", "/vms/1", 5900, 100);
        assert!(signer.verify_terminal(&ticket, "a@pve!t", "/vms/1", 5900, 140));
        assert!(!signer.verify_terminal(&ticket, "a@pve!t", "/vms/1", 5900, 141));
        assert!(!signer.verify_terminal(&ticket, "a@pve", "/vms/1", 5900, 100));
        assert!(!signer.verify_terminal(&ticket, "a@pve!t", "/vms/2", 5900, 100));
        assert!(!signer.verify_terminal(&ticket, "a@pve!t", "/vms/1", 5901, 100));
        assert!(ticket.len() > 344 && ticket.len() <= 512);
    }

    #[test]
    fn a_csrf_token_belongs_to_its_user() {
        let signer = Signer::new(b"k");
        let token = signer.csrf("a@pve", 100);
        assert!(signer.verify_csrf(&token, "a@pve", 200));
        assert!(!signer.verify_csrf(&token, "b@pve", 200));
        assert!(!signer.verify_csrf("zz", "a@pve", 200));
    }
}
