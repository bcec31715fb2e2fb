//! The two identifiers that every container call carries, validated once so that no request is
//! built from a bad one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::lenient;

/// The number of a guest, 100 to 999 999 999, unique in a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Vmid(u32);

impl Vmid {
    /// The lowest number Proxmox gives to a guest.
    pub const MIN: u32 = 100;
    /// The highest number Proxmox accepts.
    pub const MAX: u32 = 999_999_999;

    /// The bare number.
    pub fn get(self) -> u32 {
        self.0
    }
}

/// A number outside of the range that Proxmox accepts for guests.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a VMID: it has to be a number from 100 to 999999999")]
pub struct InvalidVmid(String);

impl TryFrom<u64> for Vmid {
    type Error = InvalidVmid;

    fn try_from(number: u64) -> Result<Self, InvalidVmid> {
        u32::try_from(number)
            .ok()
            .filter(|n| (Self::MIN..=Self::MAX).contains(n))
            .map(Self)
            .ok_or_else(|| InvalidVmid(number.to_string()))
    }
}

impl TryFrom<u32> for Vmid {
    type Error = InvalidVmid;

    fn try_from(number: u32) -> Result<Self, InvalidVmid> {
        Self::try_from(u64::from(number))
    }
}

impl TryFrom<i64> for Vmid {
    type Error = InvalidVmid;

    fn try_from(number: i64) -> Result<Self, InvalidVmid> {
        u64::try_from(number)
            .map_err(|_| InvalidVmid(number.to_string()))
            .and_then(Self::try_from)
    }
}

impl FromStr for Vmid {
    type Err = InvalidVmid;

    fn from_str(text: &str) -> Result<Self, InvalidVmid> {
        // Proxmox's own format has no sign and no leading zero.
        let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
        let number = plain.then(|| text.parse::<u64>().ok()).flatten();
        number
            .and_then(|n| Self::try_from(n).ok())
            .ok_or_else(|| InvalidVmid(text.to_owned()))
    }
}

impl fmt::Display for Vmid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Vmid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = lenient::required_u64(deserializer)?;
        Self::try_from(number).map_err(serde::de::Error::custom)
    }
}

/// The name of a cluster node: a DNS label, and neither an address nor a fully qualified name,
/// which Proxmox would take for an unknown host and answer with status 596.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct NodeName(String);

impl NodeName {
    /// Checks and wraps a name.
    ///
    /// # Errors
    /// [`InvalidNodeName`] when the text is not a DNS label.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidNodeName> {
        let name = name.into();
        let bytes = name.as_bytes();
        let label = (1..=63).contains(&bytes.len())
            && bytes
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || *b == b'-')
            && bytes[0] != b'-'
            && bytes[bytes.len() - 1] != b'-';
        if label {
            Ok(Self(name))
        } else {
            Err(InvalidNodeName(name))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text that cannot be the name of a node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a node name: use the short name that Proxmox shows, such as `pve`")]
pub struct InvalidNodeName(String);

impl FromStr for NodeName {
    type Err = InvalidNodeName;

    fn from_str(text: &str) -> Result<Self, InvalidNodeName> {
        Self::new(text)
    }
}

impl TryFrom<String> for NodeName {
    type Error = InvalidNodeName;

    fn try_from(text: String) -> Result<Self, InvalidNodeName> {
        Self::new(text)
    }
}

impl AsRef<str> for NodeName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for NodeName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vmid_outside_of_proxmox_range_is_refused() {
        for bad in [
            "99",
            "0",
            "1000000000",
            "-100",
            "+100",
            "0100",
            "1e3",
            "",
            " 100",
        ] {
            assert!(bad.parse::<Vmid>().is_err(), "{bad:?}");
        }
        for good in ["100", "101", "999999999"] {
            assert_eq!(good.parse::<Vmid>().unwrap().to_string(), good);
        }
        assert!(Vmid::try_from(-1_i64).is_err());
        assert!(Vmid::try_from(99_u32).is_err());
    }

    #[test]
    fn a_vmid_is_read_from_a_number_or_a_string() {
        assert_eq!(serde_json::from_str::<Vmid>("\"100\"").unwrap().get(), 100);
        assert_eq!(serde_json::from_str::<Vmid>("100").unwrap().get(), 100);
        assert!(serde_json::from_str::<Vmid>("99").is_err());
        assert_eq!(serde_json::to_string(&Vmid(100)).unwrap(), "100");
    }

    #[test]
    fn a_node_name_is_a_dns_label() {
        for bad in [
            "",
            "pve.example.org",
            "-pve",
            "pve-",
            "a b",
            "../x",
            "10.0.0.1",
            "p\u{e9}",
        ] {
            assert!(NodeName::new(bad).is_err(), "{bad:?}");
        }
        assert_eq!(NodeName::new("pve-1").unwrap().as_str(), "pve-1");
    }
}
