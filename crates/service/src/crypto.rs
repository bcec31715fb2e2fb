//! Randomness, digests and message authentication, all by `ring`, so that only one implementation
//! is audited and linked. Keys come from [`secret::Secret`]; this module neither stores nor prints
//! them.

use std::fmt::Write as _;

use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac};

/// Makes `ring` the process-wide TLS provider of rustls. It may be called repeatedly; the first
/// call wins.
pub fn install_ring_provider() {
    // An error means that a provider is already installed, which is sufficient.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// `N` bytes from the operating system's secure source.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill_random(&mut bytes);
    bytes
}

/// `bytes` random bytes as lower-case hex, twice as many characters.
pub fn random_hex(bytes: usize) -> String {
    let mut buffer = vec![0; bytes];
    fill_random(&mut buffer);
    hex(&buffer)
}

/// Fills the whole buffer from the operating system's secure source.
pub fn fill_random(buffer: &mut [u8]) {
    SystemRandom::new()
        .fill(buffer)
        .expect("the operating system has a source of randomness once it runs services");
}

/// Lower-case hex without a prefix.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// The SHA-256 digest of `data` as 64 lower-case hex characters.
pub fn sha256_hex(data: impl AsRef<[u8]>) -> String {
    hex(digest::digest(&digest::SHA256, data.as_ref()).as_ref())
}

/// A SHA-256 digest of data that arrives in parts.
pub struct Sha256(digest::Context);

impl Default for Sha256 {
    fn default() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }
}

impl Sha256 {
    /// Appends data.
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// The digest as 64 lower-case hex characters.
    pub fn finish_hex(self) -> String {
        hex(self.0.finish().as_ref())
    }
}

/// The HMAC-SHA-256 tag of `message` (RFC 2104), 32 bytes.
pub fn hmac_sign(key: &[u8], message: &[u8]) -> [u8; 32] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let mut tag = [0; 32];
    tag.copy_from_slice(hmac::sign(&key, message).as_ref());
    tag
}

/// Whether `tag` is the HMAC-SHA-256 of `message`, compared in constant time. A tag of another
/// length is wrong.
#[must_use]
pub fn hmac_verify(key: &[u8], message: &[u8], tag: &[u8]) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::verify(&key, message, tag).is_ok()
}

/// Whether two secrets are equal, compared in constant time.
#[must_use]
pub fn same(one: &[u8], other: &[u8]) -> bool {
    // The compared tags use a random key and have equal length, even if the lengths of the secrets
    // differ.
    let key = random_bytes::<32>();
    hmac_verify(&key, one, &hmac_sign(&key, other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_agrees_with_the_published_vector() {
        // FIPS 180-4, the message "abc".
        assert_eq!(
            sha256_hex("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn hmac_agrees_with_rfc_4231_case_2() {
        assert_eq!(
            hex(&hmac_sign(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn a_tag_is_valid_for_its_own_key_and_message_only() {
        let tag = hmac_sign(b"key", b"message");
        assert!(hmac_verify(b"key", b"message", &tag));
        assert!(!hmac_verify(b"other", b"message", &tag));
        assert!(!hmac_verify(b"key", b"messages", &tag));
        assert!(!hmac_verify(b"key", b"message", &tag[..31]));
    }

    #[test]
    fn random_values_have_the_requested_length_and_differ() {
        assert_eq!(random_hex(8).len(), 16);
        assert!(random_hex(8).chars().all(|c| c.is_ascii_hexdigit()));
        assert_ne!(random_bytes::<16>(), random_bytes::<16>());
    }

    #[test]
    fn the_ring_provider_can_be_installed_twice() {
        install_ring_provider();
        install_ring_provider();
        assert!(rustls::crypto::CryptoProvider::get_default().is_some());
    }
}
