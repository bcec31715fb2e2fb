//! The jump host's own key, derived from the installation's: every replica has the same one, and
//! nothing more has to be stored or backed up.

use std::fmt;

use ring::hmac;
use russh::keys::PrivateKey;
use russh::keys::ssh_key::private::{Ed25519Keypair, KeypairData};

/// The Ed25519 host key. `Debug` does not print it.
#[derive(Clone)]
pub struct JumpHostKey(PrivateKey);

impl JumpHostKey {
    /// Derives the key: HMAC-SHA-256 of a fixed text is the seed.
    pub fn derive(installation_key: &[u8]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, installation_key);
        let mut seed = [0; 32];
        // No lease's key is derived from this text: theirs begin with `ssh:`.
        seed.copy_from_slice(hmac::sign(&key, b"jump host").as_ref());
        let pair = KeypairData::Ed25519(Ed25519Keypair::from_seed(&seed));
        let key = PrivateKey::new(pair, "").expect("a pair of keys that is not encrypted");
        Self(key)
    }

    /// The public key as OpenSSH writes it: type and base64.
    pub fn public_line(&self) -> String {
        let line = self.0.public_key().to_openssh();
        line.expect("an Ed25519 key can be written")
            .trim()
            .to_owned()
    }

    pub(crate) fn private(&self) -> PrivateKey {
        self.0.clone()
    }
}

impl fmt::Debug for JumpHostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JumpHostKey(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installation_has_one_key_and_shows_its_public_half_only() {
        let line = |key: &[u8]| JumpHostKey::derive(key).public_line();
        assert_eq!(line(b"one"), line(b"one"));
        assert_ne!(line(b"one"), line(b"other"));
        assert!(line(b"one").starts_with("ssh-ed25519 AAAA"));
        assert_eq!(line(b"one").split(' ').count(), 2);
        let shown = format!("{:?}", JumpHostKey::derive(b"one"));
        assert_eq!(shown, "JumpHostKey(***)");
    }
}
