//! The form of an API key: `i402_`, or `i402t_` where money is not real, and 40 hexadecimal digits,
//! 32 of them random and 8 a check sum over those. The sum lets scanners of leaked secrets and this
//! service tell a key from a typo without a look-up. `e2b_` and the same digits is the same key, for
//! clients that insist on their own prefix.

use std::fmt;

use service::crypto;

use crate::ids::KeyId;

const RANDOM_DIGITS: usize = 32;
const DIGITS: usize = 40;
/// The digits that are the public id.
const ID_DIGITS: usize = 8;
/// What a key begins with where money is real, where it is not, and for other clients.
const MAIN: &str = "i402_";
const TEST: &str = "i402t_";
const FOREIGN: &str = "e2b_";

/// The digits of a key, whose check sum fits.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyDigits(String);

impl fmt::Debug for KeyDigits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A bearer token that has the form of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentedKey {
    /// Its digits.
    pub digits: KeyDigits,
    /// Whether it says that it is of a test network; nothing with the foreign prefix.
    pub test: Option<bool>,
}

/// The check sum does not fit, or the digits are no digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mistyped;

impl KeyDigits {
    /// Digits from 16 random bytes.
    pub fn new(random: &[u8; RANDOM_DIGITS / 2]) -> Self {
        let digits = crypto::hex(random);
        let sum = crc32(digits.as_bytes());
        Self(format!("{digits}{sum:08x}"))
    }

    /// Random ones.
    pub fn random() -> Self {
        let digits = crypto::random_hex(RANDOM_DIGITS / 2);
        let sum = crc32(digits.as_bytes());
        Self(format!("{digits}{sum:08x}"))
    }

    fn parse(text: &str) -> Result<Self, Mistyped> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != DIGITS || !text.bytes().all(is_digit) {
            return Err(Mistyped);
        }
        let (random, sum) = text.split_at(RANDOM_DIGITS);
        match format!("{:08x}", crc32(random.as_bytes())) == sum {
            true => Ok(Self(text.to_owned())),
            false => Err(Mistyped),
        }
    }

    /// The public id.
    pub fn id(&self) -> KeyId {
        self.0[..ID_DIGITS].into()
    }

    /// What is stored of it.
    pub fn hash(&self) -> String {
        crypto::sha256_hex(&self.0)
    }

    /// The whole key.
    pub fn key(&self, test: bool) -> String {
        format!("{}{}", prefix(test), self.0)
    }
}

/// What a key begins with.
pub fn prefix(test: bool) -> &'static str {
    if test { TEST } else { MAIN }
}

/// Reads a bearer token; `None` if it does not begin as a key does.
pub fn parse(token: &str) -> Option<Result<PresentedKey, Mistyped>> {
    let prefixes = [(TEST, Some(true)), (MAIN, Some(false)), (FOREIGN, None)];
    let found = prefixes.into_iter().find_map(|(prefix, test)| {
        let digits = token.strip_prefix(prefix)?;
        Some((digits, test))
    });
    let (digits, test) = found?;
    Some(KeyDigits::parse(digits).map(|digits| PresentedKey { digits, test }))
}

/// CRC-32 as in zlib.
fn crc32(bytes: &[u8]) -> u32 {
    let sum = bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg())
        })
    });
    !sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_the_one_of_zlib() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn a_key_is_read_back_under_each_of_its_prefixes() {
        let digits = KeyDigits::new(&[0xab; 16]);
        let main = digits.key(false);
        assert!(main.starts_with("i402_abababab"), "{main}");
        assert_eq!(main.len(), 45);
        assert_eq!(digits.id().as_str(), "abababab");
        let read = |token: &str| parse(token).unwrap().unwrap();
        assert_eq!(
            (read(&main).digits, read(&main).test),
            (digits.clone(), Some(false))
        );
        assert_eq!(read(&digits.key(true)).test, Some(true));
        let foreign = main.replace("i402_", "e2b_");
        assert_eq!((read(&foreign).digits, read(&foreign).test), (digits, None));
    }

    #[test]
    fn a_typo_is_told_from_a_key_without_a_look_up() {
        let key = KeyDigits::random().key(false);
        for place in 5..key.len() {
            let mut typo = key.clone().into_bytes();
            typo[place] = if typo[place] == b'0' { b'1' } else { b'0' };
            let typo = String::from_utf8(typo).unwrap();
            assert_eq!(parse(&typo), Some(Err(Mistyped)), "{place}");
        }
        for wrong in [
            "i402_",
            "i402_xyz",
            "i402t_12",
            &key.to_uppercase().replace("I402", "i402"),
        ] {
            assert_eq!(parse(wrong), Some(Err(Mistyped)), "{wrong}");
        }
        for other in ["", "0011", "I402_00", "sk-00"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_key_is_never_printed() {
        let digits = KeyDigits::random();
        let parsed = parse(&digits.key(true));
        assert!(!format!("{parsed:?}").contains(digits.id().as_str()));
    }
}
