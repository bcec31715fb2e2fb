//! The host keys a guest is known to have. They come from the log of the task that created it, or
//! from the files in its `/etc/ssh`, never from the network.

use std::fmt;
use std::str::FromStr;

use russh::keys::ssh_key::EcdsaCurve;
use russh::keys::{Algorithm, HashAlg, PublicKey, ssh_key};

/// The SHA-256 fingerprint of a host key, printed as `ssh-keygen -l` prints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(ssh_key::Fingerprint);

impl Fingerprint {
    fn of(key: &PublicKey) -> Self {
        Self(key.fingerprint(HashAlg::Sha256))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The text is not `SHA256:` and 43 digits of base64, or not a list of such.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a fingerprint of a host key")]
pub struct InvalidFingerprint;

impl FromStr for Fingerprint {
    type Err = InvalidFingerprint;

    fn from_str(text: &str) -> Result<Self, InvalidFingerprint> {
        match text.parse::<ssh_key::Fingerprint>() {
            Ok(print) if print.algorithm() == HashAlg::Sha256 => Ok(Self(print)),
            _ => Err(InvalidFingerprint),
        }
    }
}

/// What is known of a guest's host keys. Its text form, for one column of a database, is
/// `ed25519=SHA256:… ecdsa=SHA256:…` with what is known of it, or the empty text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HostKeys {
    /// The Ed25519 key.
    pub ed25519: Option<Fingerprint>,
    /// The ECDSA key, of any curve.
    pub ecdsa: Option<Fingerprint>,
}

impl HostKeys {
    /// Reads the log of the task that created the container. Proxmox VE prints a line
    /// `Creating SSH host key 'ssh_host_ed25519_key' …` and after it `done: SHA256:… root@NAME`
    /// for each key, in any order of keys. Other lines are skipped, also between the two.
    pub fn from_task_log<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let mut keys = Self::default();
        let mut file = None;
        for line in lines {
            if let Some((_, rest)) = line.split_once("Creating SSH host key '") {
                file = rest.split_once('\'').map(|(name, _)| name);
            } else if let Some((_, rest)) = line.split_once("done: SHA256:") {
                let print = rest.split_whitespace().next().unwrap_or_default();
                let print = format!("SHA256:{print}").parse().ok();
                match file.take() {
                    Some("ssh_host_ed25519_key") => keys.ed25519 = print,
                    Some("ssh_host_ecdsa_key") => keys.ecdsa = print,
                    _ => {}
                }
            }
        }
        keys
    }

    /// Reads the text of `/etc/ssh/ssh_host_*_key.pub`, one key a line. Lines that are no Ed25519
    /// or ECDSA key are skipped.
    pub fn from_public_keys(text: &str) -> Self {
        let mut keys = Self::default();
        for key in text
            .lines()
            .filter_map(|line| PublicKey::from_openssh(line.trim()).ok())
        {
            match key.algorithm() {
                Algorithm::Ed25519 => keys.ed25519 = Some(Fingerprint::of(&key)),
                Algorithm::Ecdsa { .. } => keys.ecdsa = Some(Fingerprint::of(&key)),
                _ => {}
            }
        }
        keys
    }

    /// The lines of such a text whose keys are the known ones: type and base64.
    pub fn known_public_keys(&self, text: &str) -> Vec<String> {
        let keys = text
            .lines()
            .filter_map(|line| PublicKey::from_openssh(line.trim()).ok());
        let known = keys.filter(|key| self.matches(key)).map(|mut key| {
            key.set_comment("");
            key.to_openssh()
        });
        known.filter_map(Result::ok).collect()
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// [`InvalidFingerprint`] for a text that [`fmt::Display`] does not write.
    pub fn parse(text: &str) -> Result<Self, InvalidFingerprint> {
        let mut keys = Self::default();
        for part in text.split_whitespace() {
            match part.split_once('=') {
                Some(("ed25519", print)) => keys.ed25519 = Some(print.parse()?),
                Some(("ecdsa", print)) => keys.ecdsa = Some(print.parse()?),
                _ => return Err(InvalidFingerprint),
            }
        }
        Ok(keys)
    }

    /// Whether no host key is known, so that the guest cannot be dialled.
    pub fn is_empty(&self) -> bool {
        self.ed25519.is_none() && self.ecdsa.is_none()
    }

    /// The host key algorithms to offer: only those with a known key, or the server would choose
    /// a key that cannot be checked.
    pub(crate) fn algorithms(&self) -> Vec<Algorithm> {
        let mut algorithms = Vec::new();
        if self.ed25519.is_some() {
            algorithms.push(Algorithm::Ed25519);
        }
        if self.ecdsa.is_some() {
            let curves = [
                EcdsaCurve::NistP256,
                EcdsaCurve::NistP384,
                EcdsaCurve::NistP521,
            ];
            algorithms.extend(curves.map(|curve| Algorithm::Ecdsa { curve }));
        }
        algorithms
    }

    /// Whether the server's key is the known one of its algorithm.
    pub(crate) fn matches(&self, key: &PublicKey) -> bool {
        let known = match key.algorithm() {
            Algorithm::Ed25519 => self.ed25519,
            Algorithm::Ecdsa { .. } => self.ecdsa,
            _ => None,
        };
        known == Some(Fingerprint::of(key))
    }
}

impl fmt::Display for HostKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut gap = "";
        for (name, print) in [("ed25519", self.ed25519), ("ecdsa", self.ecdsa)] {
            if let Some(print) = print {
                write!(f, "{gap}{name}={print}")?;
                gap = " ";
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str = "SHA256:uNiVztksCsDhcc0u9e8BgrJXVGLeDY8pfgnyjIq1Wqo";
    const ECDSA: &str = "SHA256:2R8bZdKrGxJ3MNYb5qQkq5zQ9nWw4Xv6zKkz0mXcU5A";
    const RSA: &str = "SHA256:AAAAZdKrGxJ3MNYb5qQkq5zQ9nWw4Xv6zKkz0mXcU5A";

    fn both() -> HostKeys {
        HostKeys {
            ed25519: Some(ED25519.parse().unwrap()),
            ecdsa: Some(ECDSA.parse().unwrap()),
        }
    }

    fn pair(name: &str, print: &str) -> [String; 2] {
        [
            format!("Creating SSH host key 'ssh_host_{name}_key' - this may take some time ..."),
            format!("done: {print} root@box"),
        ]
    }

    fn read(lines: &[String]) -> HostKeys {
        HostKeys::from_task_log(lines.iter().map(String::as_str))
    }

    #[test]
    fn the_task_log_is_read_in_any_order_and_at_any_length() {
        let pairs = [
            pair("rsa", RSA),
            pair("ed25519", ED25519),
            pair("ecdsa", ECDSA),
        ];
        for order in [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ] {
            let mut lines: Vec<String> = (0..60).map(|n| format!("unpacking {n}")).collect();
            lines.extend(order.iter().flat_map(|n| pairs[*n].clone()));
            lines.push("TASK OK".to_owned());
            assert_eq!(read(&lines), both(), "{order:?}");
        }
    }

    #[test]
    fn a_log_without_keys_pins_nothing() {
        assert!(read(&[]).is_empty());
        assert!(read(&["TASK OK".to_owned()]).is_empty());
        // A digest alone belongs to no key, and a broken one is none.
        assert!(read(&[format!("done: {ED25519} root@box")]).is_empty());
        assert!(read(&pair("ed25519", "SHA256:short")).is_empty());
        assert!(read(&pair("dsa", ED25519)).is_empty());
    }

    #[test]
    fn a_digest_is_used_once() {
        let mut lines = pair("ed25519", ED25519).to_vec();
        lines.push(format!("done: {ECDSA} root@box"));
        assert_eq!(read(&lines).ed25519, both().ed25519);
    }

    #[test]
    fn the_text_form_comes_back() {
        let one = HostKeys {
            ecdsa: None,
            ..both()
        };
        for keys in [HostKeys::default(), both(), one] {
            assert_eq!(HostKeys::parse(&keys.to_string()), Ok(keys));
        }
        assert_eq!(
            both().to_string(),
            format!("ed25519={ED25519} ecdsa={ECDSA}")
        );
        for text in ["ed25519", "rsa=x", "ed25519=SHA256:short", ED25519] {
            assert_eq!(HostKeys::parse(text), Err(InvalidFingerprint), "{text}");
        }
    }

    #[test]
    fn only_known_algorithms_are_offered() {
        assert!(HostKeys::default().algorithms().is_empty());
        assert_eq!(both().algorithms()[0], Algorithm::Ed25519);
        let ecdsa = HostKeys {
            ed25519: None,
            ..both()
        };
        assert!(!ecdsa.algorithms().contains(&Algorithm::Ed25519));
    }
}
