//! The identifier of a worker task. It names the node that runs the task, which is where the task
//! has to be polled.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ids::NodeName;

/// `UPID:node:pid:pstart:starttime:kind:id:user:`, with the three numbers in hexadecimal.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Upid {
    text: String,
    /// The node that runs the task.
    pub node: NodeName,
    /// Process id of the worker.
    pub pid: u32,
    /// Start of the worker in clock ticks since boot.
    pub pstart: u64,
    /// Start of the task in seconds since 1970.
    pub starttime: u64,
    /// The type of the task, such as `vzcreate`.
    pub kind: String,
    /// What the task works on, usually a VMID; may be empty.
    pub id: String,
    /// Who started it, such as `lease@pve!svc`.
    pub user: String,
}

impl Upid {
    /// The text as Proxmox gave it.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// A text that is not a task identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a task identifier (UPID): {0:?}")]
pub struct InvalidUpid(String);

impl FromStr for Upid {
    type Err = InvalidUpid;

    fn from_str(text: &str) -> Result<Self, InvalidUpid> {
        parse(text).ok_or_else(|| InvalidUpid(text.chars().take(200).collect()))
    }
}

fn parse(text: &str) -> Option<Upid> {
    let fields: Vec<&str> = text.split(':').collect();
    let ["UPID", node, pid, pstart, starttime, kind, id, user, ""] = fields[..] else {
        return None;
    };
    let plain = |s: &str| !s.chars().any(|c| c.is_whitespace() || c.is_control());
    if kind.is_empty() || user.is_empty() || !plain(kind) || !plain(id) || !plain(user) {
        return None;
    }
    Some(Upid {
        node: NodeName::new(node).ok()?,
        pid: u32::try_from(hex(pid, 8..=8)?).ok()?,
        pstart: hex(pstart, 8..=9)?,
        starttime: hex(starttime, 8..=8)?,
        kind: kind.to_owned(),
        id: id.to_owned(),
        user: user.to_owned(),
        text: text.to_owned(),
    })
}

fn hex(digits: &str, length: std::ops::RangeInclusive<usize>) -> Option<u64> {
    let well_formed =
        length.contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    well_formed
        .then(|| u64::from_str_radix(digits, 16).ok())
        .flatten()
}

impl fmt::Display for Upid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

impl fmt::Debug for Upid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Upid({})", self.text)
    }
}

impl<'de> Deserialize<'de> for Upid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Upid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_well_formed_upid_keeps_its_text_and_its_parts(
            node in "[a-z]([a-z0-9-]{0,8}[a-z0-9])?",
            pid: u32,
            pstart in 0_u64..0xF_FFFF_FFFF,
            starttime: u32,
            kind in "[a-z]{1,12}",
            id in "[0-9]{0,9}",
            user in "[a-z]{1,8}@(pam|pve)(![a-z]{1,8})?",
        ) {
            let text = format!("UPID:{node}:{pid:08X}:{pstart:08X}:{starttime:08X}:{kind}:{id}:{user}:");
            let upid: Upid = text.parse().unwrap();
            prop_assert_eq!(upid.to_string(), text);
            prop_assert_eq!(upid.node.as_str(), node);
            prop_assert_eq!(upid.pid, pid);
            prop_assert_eq!(upid.pstart, pstart);
            prop_assert_eq!(upid.starttime, u64::from(starttime));
            prop_assert_eq!((upid.kind, upid.id, upid.user), (kind, id, user));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in any::<String>()) {
            let _ = text.parse::<Upid>();
        }
    }

    #[test]
    fn a_malformed_upid_is_refused() {
        for bad in [
            "",
            "UPID",
            "UPID:pve:0000:00000000:00000000:vzcreate:100:root@pam:",
            "UPID:pve:00000001:00000001:00000001:vzcreate:100:root@pam",
            "UPID:pve:00000001:00000001:00000001:vzcreate:100:root@pam:x",
            "UPID:pve:00000001:00000001:00000001::100:root@pam:",
            "UPID:pve:0000000g:00000001:00000001:vzcreate:100:root@pam:",
            "UPID:../x:00000001:00000001:00000001:vzcreate:100:root@pam:",
            "UPID:pve:00000001:00000001:00000001:vz create:100:root@pam:",
        ] {
            assert!(bad.parse::<Upid>().is_err(), "{bad:?}");
        }
    }
}
