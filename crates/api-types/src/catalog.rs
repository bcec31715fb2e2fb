//! The answer of `GET /catalog`: what is on offer, at which rates, within which limits.

use serde::{Deserialize, Serialize};

use crate::{limits::Limits, price::Tariff};

/// An operating system that a container can be made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Template {
    /// The name to put into `template` of a lease request.
    pub name: String,
    /// What it is, for people.
    pub description: String,
    /// Whether it is used where the request names none.
    pub default: bool,
    /// How many more default leases with it there is room for, on the machines that have it; 0
    /// where no machine that is up has it, absent when Proxmox cannot be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_left: Option<u32>,
}

/// Everything a customer or program has to know before asking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Catalog {
    /// What may be asked for.
    pub limits: Limits,
    /// The rates, in atomic USDC.
    pub rates: Tariff,
    /// The templates on offer.
    pub templates: Vec<Template>,
    /// The network that is paid on.
    pub network: String,
    /// The contract address of the token that is paid in.
    pub asset: String,
    /// The address that is paid.
    pub pay_to: String,
    /// How many more default leases with the default template there is room for; absent when
    /// Proxmox cannot be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_left: Option<u32>,
    /// How long the data of an expired lease is kept at most, in minutes: a purchase keeps it for as many minutes as it bought,
    /// up to this.
    pub grace_minutes: u32,
    /// What keeps containers apart from each other and from the operator's network is missing: a sentence for customers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation_notice: Option<String>,
    /// GiB that a container may send for each hour that was bought; it is slowed beyond, and cut
    /// off at twice as much. Absent where there is no limit.
    #[cfg(not(target_family = "wasm"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic_gib_per_hour: Option<u32>,
    /// Where to report what leased containers do to others.
    #[cfg(not(target_family = "wasm"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abuse_contact: Option<String>,
    /// The parts of this deployment that are simulated, such as `proxmox` or `payments`.
    #[serde(default)]
    pub simulated: Vec<String>,
    /// What to know of the commands that simulated machines run, as a sentence: that a real shell
    /// is imitated, or what it is not held to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulator_notice: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalog_names_limits_rates_and_what_is_simulated() {
        let catalog = Catalog {
            limits: Limits::default(),
            rates: Tariff::default(),
            templates: vec![Template {
                name: "debian-12".to_owned(),
                description: "Debian 12".to_owned(),
                default: true,
                capacity_left: Some(7),
            }],
            network: "base-sepolia".to_owned(),
            asset: "0x036C".to_owned(),
            pay_to: "0x7099".to_owned(),
            capacity_left: None,
            grace_minutes: 60,
            isolation_notice: None,
            traffic_gib_per_hour: Some(20),
            abuse_contact: Some("abuse@example.org".to_owned()),
            simulated: vec!["proxmox".to_owned()],
            simulator_notice: Some("Commands are imitated.".to_owned()),
        };
        let json = serde_json::to_value(&catalog).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                        "limits": Limits::default(),
                        "rates": {
                            "baseFee": "2000", "coreHour": "4000", "memoryGibHour": "3200", "diskGibHour": "300",
                            "callFee": "1000",
                        },
                        "templates": [{"name": "debian-12", "description": "Debian 12", "default": true, "capacityLeft": 7}],
                        "network": "base-sepolia", "asset": "0x036C", "payTo": "0x7099", "graceMinutes": 60,
            "trafficGibPerHour": 20, "abuseContact": "abuse@example.org",
            "simulated": ["proxmox"], "simulatorNotice": "Commands are imitated.",
                    })
        );
        assert_eq!(serde_json::from_value::<Catalog>(json).unwrap(), catalog);
    }
}
