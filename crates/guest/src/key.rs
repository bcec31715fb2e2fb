//! The key with which the service logs in: one per lease, derived from the installation's secret.
//!
//! Nothing is stored, and the key dies with the lease. A guest that passes its SSH port on to
//! another guest's cannot use our login there, because the other guest knows another key.

use std::fmt;
use std::sync::Arc;

use ring::hmac;
use russh::keys::ssh_key::private::{Ed25519Keypair, KeypairData};
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg};

use crate::error::GuestError;

/// The Ed25519 key of one lease. `Debug` does not print it.
#[derive(Clone)]
pub struct GuestKey(Arc<PrivateKey>);

impl GuestKey {
    /// Derives the key: HMAC-SHA-256 of `ssh:` and the lease's id is the seed.
    pub fn derive(installation_key: &[u8], lease_id: &str) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, installation_key);
        let mut message = hmac::Context::with_key(&key);
        message.update(b"ssh:");
        message.update(lease_id.as_bytes());
        let mut seed = [0; 32];
        seed.copy_from_slice(message.sign().as_ref());
        let pair = KeypairData::Ed25519(Ed25519Keypair::from_seed(&seed));
        let key = PrivateKey::new(pair, "infra402").expect("a pair of keys that is not encrypted");
        Self(Arc::new(key))
    }

    /// The line for `authorized_keys`: commands, terminals, SFTP, and connections to the guest's
    /// own loopback, nothing else. `source` is the address the service comes from, if it is fixed;
    /// from other addresses the key is then worthless. Proxmox VE accepts such a line in
    /// `ssh-public-keys`.
    ///
    /// # Errors
    /// [`GuestError::InvalidCommand`] for a source that is no list of addresses or patterns.
    pub fn authorized_line(&self, source: Option<&str>) -> Result<String, GuestError> {
        let mut line = String::from(
            "restrict,pty,port-forwarding,permitopen=\"localhost:*\",permitopen=\"127.0.0.1:*\"",
        );
        if let Some(source) = source {
            let plain = |c: char| c.is_ascii_alphanumeric() || ".:,/*?!-_[]%".contains(c);
            if source.is_empty() || !source.chars().all(plain) {
                return Err(GuestError::InvalidCommand("not an address or pattern"));
            }
            line += &format!(",from=\"{source},127.0.0.1\"");
        }
        let public = self.0.public_key().to_openssh();
        let public = public.map_err(|error| GuestError::Other(error.to_string()))?;
        Ok(format!("{line} {public}"))
    }

    pub(crate) fn for_login(&self) -> PrivateKeyWithHashAlg {
        PrivateKeyWithHashAlg::new(self.0.clone(), None)
    }
}

impl fmt::Debug for GuestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GuestKey(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_has_one_key_and_no_other_lease_has_it() {
        let line = |key: &[u8], lease| GuestKey::derive(key, lease).authorized_line(None).unwrap();
        assert_eq!(line(b"installation", "a"), line(b"installation", "a"));
        assert_ne!(line(b"installation", "a"), line(b"installation", "b"));
        assert_ne!(line(b"installation", "a"), line(b"other", "a"));
    }

    #[test]
    fn the_line_restricts_the_key() {
        let key = GuestKey::derive(b"installation", "lease");
        let line = key.authorized_line(None).unwrap();
        let (options, public) = line.split_once(" ssh-ed25519 ").unwrap();
        let expected =
            r#"restrict,pty,port-forwarding,permitopen="localhost:*",permitopen="127.0.0.1:*""#;
        assert_eq!(options, expected);
        assert!(public.ends_with(" infra402"), "{public}");
        let line = key.authorized_line(Some("192.0.2.7")).unwrap();
        let (options, _) = line.split_once(" ssh-ed25519 ").unwrap();
        assert_eq!(options, format!(r#"{expected},from="192.0.2.7,127.0.0.1""#));
    }

    #[test]
    fn a_source_cannot_add_options() {
        let key = GuestKey::derive(b"installation", "lease");
        for source in ["", "a\",command=\"x", "a b", "a\nb"] {
            assert!(key.authorized_line(Some(source)).is_err(), "{source:?}");
        }
    }

    #[test]
    fn debug_hides_the_key() {
        let key = GuestKey::derive(b"installation", "lease");
        assert_eq!(format!("{key:?}"), "GuestKey(***)");
    }
}
