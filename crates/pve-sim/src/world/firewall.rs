//! The firewall's files: of the datacenter with its security groups, of the nodes, and of the
//! guests by their number. Like on the real cluster, a guest's file is not tied to its container:
//! it stays where the container moves, and a number without a container can have one.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::encoding;

/// The properties of a rule, as they are stored.
pub(crate) type Rule = BTreeMap<String, Value>;

/// The firewall of the whole cluster.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Firewall {
    /// Options of the datacenter; `enable` is absent on a fresh host, which means off.
    pub(crate) options: BTreeMap<String, Value>,
    pub(crate) groups: BTreeMap<String, Group>,
    /// Options of the nodes that have any.
    pub(crate) nodes: BTreeMap<String, BTreeMap<String, Value>>,
    /// Nodes whose firewall services do not run.
    pub(crate) stopped: BTreeSet<String>,
    pub(crate) guests: BTreeMap<u32, GuestFirewall>,
}

/// A security group.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) comment: Option<String>,
    pub(crate) rules: Vec<Rule>,
}

/// A guest's file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct GuestFirewall {
    pub(crate) options: BTreeMap<String, Value>,
    /// In the order in which they are applied.
    pub(crate) rules: Vec<Rule>,
}

impl Firewall {
    /// Whether a guest may send only with its configured address: all three levels are on, and its
    /// own level restricts addresses.
    pub(crate) fn keeps_address(&self, node: &str, vmid: u32) -> bool {
        let is = |options: &BTreeMap<String, Value>, name: &str, absent: bool| {
            options.get(name).map_or(absent, |value| {
                value.as_u64().is_some_and(|number| number != 0)
            })
        };
        let node_is_on = self
            .nodes
            .get(node)
            .is_none_or(|options| is(options, "enable", true));
        is(&self.options, "enable", false)
            && node_is_on
            && !self.stopped.contains(node)
            && self.guests.get(&vmid).is_some_and(|guest| {
                is(&guest.options, "enable", false) && is(&guest.options, "ipfilter", false)
            })
    }

    /// The copy of a guest has a copy of its file; a guest without one leaves the copy's alone.
    pub(crate) fn copy_guest(&mut self, vmid: u32, new_vmid: u32) {
        if let Some(file) = self.guests.get(&vmid).cloned() {
            self.guests.insert(new_vmid, file);
        }
    }
}

/// The digest of options or of a list, by which a change of an outdated version is refused: SHA-1
/// over every name and value, like Proxmox's.
pub(crate) fn digest<'a>(parts: impl IntoIterator<Item = &'a BTreeMap<String, Value>>) -> String {
    let mut text = String::new();
    for (name, value) in parts.into_iter().flatten() {
        let value = value.as_str().map_or(value.to_string(), str::to_owned);
        text.push_str(&format!("{name}:{value}\n"));
    }
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    encoding::hex(digest.as_ref())
}

/// Rules as a list shows them: with their positions and the list's digest.
pub(crate) fn listed(rules: &[Rule]) -> Value {
    let digest = digest(rules);
    let rows = rules.iter().enumerate().map(|(pos, rule)| {
        let mut row = json!(rule);
        row["pos"] = json!(pos);
        row["digest"] = json!(digest);
        row
    });
    rows.collect()
}
