//! Public keys of customers, as lines of `authorized_keys` without options.

use std::str::FromStr;

use russh::keys::ssh_key::PublicKey;
use russh::keys::{Algorithm, HashAlg};

/// The longest comment that is kept, in bytes.
const LONGEST_COMMENT: usize = 200;

/// A public key that OpenSSH takes for a login: Ed25519, ECDSA or RSA, also of a security key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerKey(PublicKey);

/// The text is not one line of a public key that OpenSSH takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not one line of an OpenSSH public key")]
pub struct InvalidCustomerKey;

impl FromStr for CustomerKey {
    type Err = InvalidCustomerKey;

    fn from_str(text: &str) -> Result<Self, InvalidCustomerKey> {
        let line = text.trim();
        if line.chars().any(char::is_control) {
            return Err(InvalidCustomerKey);
        }
        let mut key = PublicKey::from_openssh(line).map_err(|_| InvalidCustomerKey)?;
        match key.algorithm() {
            Algorithm::Ed25519
            | Algorithm::Ecdsa { .. }
            | Algorithm::Rsa { .. }
            | Algorithm::SkEd25519
            | Algorithm::SkEcdsaSha2NistP256 => {}
            _ => return Err(InvalidCustomerKey),
        }
        if key.comment().as_bytes().len() > LONGEST_COMMENT {
            key.set_comment("");
        }
        Ok(Self(key))
    }
}

impl CustomerKey {
    /// `SHA256:` and base64, as `ssh-keygen -l` prints it.
    pub fn fingerprint(&self) -> String {
        self.0.fingerprint(HashAlg::Sha256).to_string()
    }

    /// Its type, such as `ssh-ed25519`.
    pub fn kind(&self) -> String {
        match self.0.algorithm() {
            // The name of the key, not of a signature.
            Algorithm::Rsa { .. } => "ssh-rsa".to_owned(),
            algorithm => algorithm.to_string(),
        }
    }

    /// Whether it is an RSA key, which the jump host does not take.
    pub fn is_rsa(&self) -> bool {
        matches!(self.0.algorithm(), Algorithm::Rsa { .. })
    }

    /// Its comment; empty where it has none, or one that is no text.
    pub fn comment(&self) -> &str {
        std::str::from_utf8(self.0.comment().as_bytes()).unwrap_or_default()
    }

    /// The line for `authorized_keys`, without options and without a line break.
    pub fn line(&self) -> String {
        let line = self.0.to_openssh();
        line.expect("a key that was read can be written")
            .trim()
            .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDZ2Y4Q3mSJ6vS1j0b0zQK3o1n2q5yqkW8m7d0cX6m1G";

    #[test]
    fn a_line_is_kept_without_options_and_with_its_comment() {
        let key: CustomerKey = format!("{ED25519} me@here\n").parse().unwrap();
        assert_eq!(key.line(), format!("{ED25519} me@here"));
        assert_eq!(
            (key.kind().as_str(), key.comment()),
            ("ssh-ed25519", "me@here")
        );
        assert!(key.fingerprint().starts_with("SHA256:") && !key.is_rsa());
        let long = format!("{ED25519} {}", "x".repeat(300)).parse::<CustomerKey>();
        assert_eq!(long.unwrap().line(), ED25519);
        for wrong in [
            String::new(),
            "ssh-ed25519".into(),
            format!("{ED25519}\n{ED25519}"),
            format!("command=\"x\" {ED25519}"),
            format!("{ED25519} a\tb"),
            ED25519.replace("ssh-ed25519", "ssh-rsa"),
            ED25519[..60].to_owned(),
        ] {
            assert!(wrong.parse::<CustomerKey>().is_err(), "{wrong}");
        }
    }
}
