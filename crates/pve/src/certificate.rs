//! A certificate's fingerprint, and the reasons why a host is not trusted.

use std::fmt;
use std::str::FromStr;

use ring::digest::{SHA256, digest};

/// The SHA-256 of a certificate, written `AA:BB:…` as Proxmox shows it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// The fingerprint of a certificate in DER form.
    pub fn of(der: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, der).as_ref());
        Self(bytes)
    }
}

/// A text that is not a SHA-256 fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a SHA-256 fingerprint: 32 bytes in hexadecimal, like AA:BB:…")]
pub struct InvalidFingerprint(String);

impl FromStr for Fingerprint {
    type Err = InvalidFingerprint;

    fn from_str(text: &str) -> Result<Self, InvalidFingerprint> {
        let invalid = || InvalidFingerprint(text.chars().take(120).collect());
        let digits: Vec<u8> = text.trim().bytes().filter(|b| *b != b':').collect();
        let mut bytes = [0; 32];
        if digits.len() != 2 * bytes.len() {
            return Err(invalid());
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |b: u8| char::from(b).to_digit(16).ok_or_else(invalid);
            *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, byte) in self.0.iter().enumerate() {
            let colon = if position == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// Why a host is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distrust {
    /// Its certificate ran out, or is not valid yet.
    Date,
    /// Its certificate is for other names.
    Name,
    /// Its certificate is not the one that was pinned.
    Pin,
    /// Nobody who is trusted has signed its certificate.
    Issuer,
    /// It does not speak TLS.
    NoTls,
}

impl Distrust {
    /// Reads the reason out of the cause of a connection that failed. Errors keep texts only;
    /// these texts are written by rustls and by the verifier in `tls`.
    pub(crate) fn read(cause: &str) -> Option<Self> {
        let has = |part: &str| cause.contains(part);
        if has(PIN_DIFFERS) {
            Some(Self::Pin)
        } else if has("certificate expired") || has("certificate not valid yet") {
            Some(Self::Date)
        } else if has("certificate not valid for name") {
            Some(Self::Name)
        } else if has("invalid peer certificate") {
            Some(Self::Issuer)
        } else if has("received corrupt message") {
            Some(Self::NoTls)
        } else {
            None
        }
    }
}

/// How the refusal of the verifier in `tls` begins.
pub(crate) const PIN_DIFFERS: &str = "the server's certificate has the fingerprint";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_with_and_without_colons() {
        let pin = Fingerprint::of(b"certificate");
        let text = pin.to_string();
        assert_eq!(text.len(), 95);
        assert_eq!(text.parse::<Fingerprint>().unwrap(), pin);
        assert_eq!(
            text.to_lowercase()
                .replace(':', "")
                .parse::<Fingerprint>()
                .unwrap(),
            pin
        );
        for bad in [
            "",
            "AA:BB",
            &text[3..],
            &text.replace('A', "G").replace('0', "x"),
            &format!("{text}:00"),
        ] {
            assert!(bad.parse::<Fingerprint>().is_err(), "{bad}");
        }
    }
}
