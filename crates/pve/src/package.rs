//! The releases of Proxmox's packages on a node, and their order.

use std::cmp::Ordering;

use serde::Deserialize;

use crate::client::Client;
use crate::error::Error;
use crate::ids::NodeName;
use crate::lenient;
use crate::path::ApiPath;

/// A package that matters to Proxmox.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Package {
    /// Its name, such as `pve-container`.
    #[serde(rename = "Package")]
    pub name: String,
    /// The release that is installed; absent where it is not.
    #[serde(default, rename = "OldVersion", deserialize_with = "lenient::opt_text")]
    pub installed: Option<String>,
    /// The newest release that the node's repositories have.
    #[serde(default, rename = "Version", deserialize_with = "lenient::opt_text")]
    pub available: Option<String>,
    /// apt's state: `Installed`, `NotInstalled`, `ConfigFiles`.
    #[serde(
        default,
        rename = "CurrentState",
        deserialize_with = "lenient::opt_text"
    )]
    pub state: Option<String>,
    /// The kernel that runs, such as `6.14.8-2-pve`; beside `proxmox-ve` only.
    #[serde(
        default,
        rename = "RunningKernel",
        deserialize_with = "lenient::opt_text"
    )]
    pub running_kernel: Option<String>,
}

impl Package {
    /// Whether an installed release is older than this one; `None` where none is installed.
    pub fn is_older_than(&self, version: &str) -> Option<bool> {
        let installed = self.installed.as_deref()?;
        Some(compare_versions(installed, version) == Ordering::Less)
    }
}

impl Client {
    /// The packages that matter to Proxmox, with their releases (`GET
    /// /nodes/{node}/apt/versions`); needs `Sys.Audit` on the node.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn packages(&self, node: &NodeName) -> Result<Vec<Package>, Error> {
        let path = ApiPath::new("/nodes").seg(node).seg("apt").seg("versions");
        self.get(path, Vec::new()).await
    }
}

/// The order of two releases by Debian's rules (`deb-version(7)`): epoch, then upstream, then
/// revision, each by turns of other characters and of numbers; `~` is before everything.
pub fn compare_versions(one: &str, other: &str) -> Ordering {
    let parts = |text: &str| -> (u64, String, String) {
        let (epoch, rest) = match text.split_once(':') {
            Some((epoch, rest)) => (epoch.parse().unwrap_or(0), rest),
            None => (0, text),
        };
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, "0"));
        (epoch, upstream.to_owned(), revision.to_owned())
    };
    let (one, other) = (parts(one), parts(other));
    one.0
        .cmp(&other.0)
        .then_with(|| compare_part(&one.1, &other.1))
        .then_with(|| compare_part(&one.2, &other.2))
}

fn compare_part(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one.as_bytes(), other.as_bytes());
    while !one.is_empty() || !other.is_empty() {
        let (left, right) = (take_text(&mut one), take_text(&mut other));
        // Where one ends, the end counts as a character: after `~`, before letters.
        let longest = left.len().max(right.len());
        let at = |text: &[u8], index: usize| text.get(index).copied().map_or(0, rank);
        let texts = (0..longest).map(|index| at(left, index).cmp(&at(right, index)));
        let order = texts.into_iter().find(|order| order.is_ne());
        let order = order.unwrap_or_else(|| {
            let (left, right) = (take_number(&mut one), take_number(&mut other));
            left.len().cmp(&right.len()).then_with(|| left.cmp(right))
        });
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

fn rank(byte: u8) -> i32 {
    match byte {
        b'~' => -1,
        byte if byte.is_ascii_alphabetic() => i32::from(byte),
        byte => i32::from(byte) + 256,
    }
}

fn take_text<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let end = rest.iter().position(u8::is_ascii_digit);
    let (text, left) = rest.split_at(end.unwrap_or(rest.len()));
    *rest = left;
    text
}

/// Digits without leading zeros, so that the longer number is the higher one.
fn take_number<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let end = rest.iter().position(|byte| !byte.is_ascii_digit());
    let (digits, left) = rest.split_at(end.unwrap_or(rest.len()));
    *rest = left;
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    &digits[zeros..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_ordered_as_debian_orders_them() {
        // Each is older than the next.
        let ordered = [
            "5.9",
            "6.0.15~rc1",
            "6.0.15",
            "6.0.15+deb1",
            "6.1.3",
            "6.1.10",
            "6.17.13-10",
            "6.17.13-15",
            "7.0.2-5",
            "7.0.14-4",
            "7.0.14-11",
            "1:0.1",
        ];
        for (at, one) in ordered.iter().enumerate() {
            for (other_at, other) in ordered.iter().enumerate() {
                assert_eq!(
                    compare_versions(one, other),
                    at.cmp(&other_at),
                    "{one} {other}"
                );
            }
        }
        assert_eq!(compare_versions("6.01", "6.1"), Ordering::Equal);
        assert_eq!(compare_versions("1.0", "1.0-0"), Ordering::Equal);
    }

    #[test]
    fn the_installed_release_is_the_old_one_and_may_be_absent() {
        let packages: Vec<Package> = serde_json::from_value(serde_json::json!([
            {"Package": "pve-container", "OldVersion": "6.1.2", "Version": "6.1.10", "Arch": "all",
                "CurrentState": "Installed"},
            {"Package": "proxmox-firewall", "Version": "1.2.3", "CurrentState": "NotInstalled"},
            {"Package": "proxmox-ve", "OldVersion": "9.1.0", "RunningKernel": "6.14.8-2-pve"},
        ]))
        .unwrap();
        assert_eq!(packages[0].is_older_than("6.1.3"), Some(true));
        assert_eq!(packages[0].is_older_than("6.1.2"), Some(false));
        assert_eq!(packages[1].is_older_than("0"), None);
        assert_eq!(packages[2].running_kernel.as_deref(), Some("6.14.8-2-pve"));
    }
}
