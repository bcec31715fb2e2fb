//! Proxmox's firewall at its three levels: datacenter, node and guest. Rules of a guest hold only
//! while all three are on and its interface says `firewall=1`; a datacenter whose firewall is off
//! has no rules at all, whatever the guests say.

mod guest;
mod rule;

use serde::Deserialize;

use crate::client::Client;
use crate::error::Error;
use crate::ids::NodeName;
use crate::lenient;
use crate::path::ApiPath;

pub use guest::GuestFirewall;
pub use rule::{FirewallRule, RuleKind};

/// What happens to traffic that matches no rule. An unknown value is an error: otherwise an open
/// firewall could be taken for closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Policy {
    /// It passes.
    Accept,
    /// It is refused with an answer; nftables drops it where it comes in.
    Reject,
    /// It is dropped.
    Drop,
}

impl Policy {
    /// Proxmox's name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "ACCEPT",
            Self::Reject => "REJECT",
            Self::Drop => "DROP",
        }
    }
}

/// The firewall of the datacenter.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ClusterFirewall {
    /// It is on; off when absent. Without it there is no rule anywhere.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub enable: bool,
    /// For traffic to the hosts; `Drop` when absent.
    #[serde(default)]
    pub policy_in: Option<Policy>,
    /// For traffic from the hosts; `Accept` when absent.
    #[serde(default)]
    pub policy_out: Option<Policy>,
    /// Rules for the Ethernet layer are written; on when absent. Without them another guest's
    /// address can be claimed by ARP.
    #[serde(default, deserialize_with = "lenient::opt_flag")]
    pub ebtables: Option<bool>,
}

/// The firewall of a node.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct NodeFirewall {
    /// It is on; on when absent.
    #[serde(default, deserialize_with = "lenient::opt_flag")]
    pub enable: Option<bool>,
    /// `proxmox-firewall` writes nftables instead of `pve-firewall` writing iptables; off when
    /// absent.
    #[serde(default, deserialize_with = "lenient::opt_flag")]
    pub nftables: Option<bool>,
}

impl NodeFirewall {
    /// True unless it was switched off.
    pub fn is_enabled(&self) -> bool {
        self.enable != Some(false)
    }

    /// The service that writes the rules, for [`Client::service_state`].
    pub fn service(&self) -> &'static str {
        match self.nftables {
            Some(true) => "proxmox-firewall",
            _ => "pve-firewall",
        }
    }
}

/// A set of rules that guests may use by its name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SecurityGroup {
    /// The name.
    pub group: String,
    /// The operator's note.
    #[serde(default, deserialize_with = "lenient::opt_text")]
    pub comment: Option<String>,
}

impl Client {
    /// The firewall of the datacenter (`GET /cluster/firewall/options`); needs `Sys.Audit` on `/`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn cluster_firewall(&self) -> Result<ClusterFirewall, Error> {
        self.get(ApiPath::new("/cluster/firewall/options"), Vec::new())
            .await
    }

    /// The firewall of a node (`GET /nodes/{node}/firewall/options`); needs `Sys.Audit` on it.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn node_firewall(&self, node: &NodeName) -> Result<NodeFirewall, Error> {
        let path = ApiPath::new("/nodes")
            .seg(node)
            .seg("firewall")
            .seg("options");
        self.get(path, Vec::new()).await
    }

    /// The names of all security groups (`GET /cluster/firewall/groups`); any account may ask. A
    /// rule that names a group which is not among them is accepted, and lets everything through.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn security_groups(&self) -> Result<Vec<SecurityGroup>, Error> {
        self.get(ApiPath::new("/cluster/firewall/groups"), Vec::new())
            .await
    }

    /// The rules of a security group, the first that is asked first (`GET
    /// /cluster/firewall/groups/{group}`); needs `Sys.Audit` on `/`.
    ///
    /// # Errors
    /// See [`Error`]; a group that does not exist is [`crate::Refusal::Other`].
    pub async fn security_group(&self, group: &str) -> Result<Vec<FirewallRule>, Error> {
        self.get(
            ApiPath::new("/cluster/firewall/groups").seg(group),
            Vec::new(),
        )
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_levels_are_read_with_what_absence_means() {
        let read = |json| serde_json::from_value::<ClusterFirewall>(json).unwrap();
        assert!(!read(serde_json::json!({"digest": "x"})).enable);
        for on in [
            serde_json::json!(1),
            serde_json::json!("1"),
            serde_json::json!(true),
            // The interface writes the time at which it was switched on, in some releases.
            serde_json::json!(1_735_689_600),
            serde_json::json!("1735689600"),
        ] {
            assert!(read(serde_json::json!({"enable": on})).enable, "{on}");
        }
        let odd = serde_json::json!({"enable": 1, "policy_in": "drop"});
        assert!(serde_json::from_value::<ClusterFirewall>(odd).is_err());

        let read = |json| serde_json::from_value::<NodeFirewall>(json).unwrap();
        let fresh = read(serde_json::json!({"digest": "x"}));
        assert!(fresh.is_enabled());
        assert_eq!(fresh.service(), "pve-firewall");
        let other = read(serde_json::json!({"enable": "0", "nftables": 1}));
        assert!(!other.is_enabled());
        assert_eq!(other.service(), "proxmox-firewall");
    }
}
