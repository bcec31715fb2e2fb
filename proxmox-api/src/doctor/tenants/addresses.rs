//! Whether the addresses of live leases fit the settings: a container keeps its address when
//! `PVE_NETWORK` and `PVE_GATEWAY` change.

use std::net::{IpAddr, Ipv4Addr};

use super::{Finding, store};
use crate::config::Config;
use crate::ids::LeaseId;

const CHECK: &str = "tenants.addresses";
/// How many leases a finding names.
const NAMED: usize = 3;

/// Compares the addresses. A store that cannot be read is a finding of its own.
pub(in crate::doctor) async fn examine(config: &Config) -> Vec<Finding> {
    let Some(store) = store::open(config).await else {
        return Vec::new();
    };
    match store.live_addresses().await {
        Ok(live) => compared(config, &live),
        Err(_) => Vec::new(),
    }
}

fn compared(config: &Config, live: &[(LeaseId, Ipv4Addr)]) -> Vec<Finding> {
    let network = &config.proxmox.network;
    let expected = "the addresses of live leases fit PVE_NETWORK and PVE_GATEWAY";
    let leases = |fits: &dyn Fn(Ipv4Addr) -> bool| -> Vec<&(LeaseId, Ipv4Addr)> {
        live.iter().filter(|(_, address)| fits(*address)).collect()
    };
    let mut findings = Vec::new();
    if let Some((id, address)) = leases(&|address| network.gateway == Some(address)).first() {
        let found = format!(
            "PVE_GATEWAY={address} is the address of the lease {id}: what tenants send to their router reaches its container"
        );
        findings.push(
            Finding::error(CHECK, expected, found)
                .mend("PVE_GATEWAY=…  # as before, until that lease is over")
                .mend(format!(
                    "proxmox-api leases end {id} --reason 'its address is the router'"
                )),
        );
    }
    let inside = |address| {
        network
            .subnet
            .is_some_and(|subnet| subnet.contains(&address))
    };
    let outside = leases(&|address| !inside(address));
    if !outside.is_empty() {
        let found = format!(
            "{} of them have none of PVE_NETWORK: {}; their containers lose the network once the host's side is changed",
            outside.len(),
            named(&outside)
        );
        findings.push(Finding::warning(CHECK, expected, found).mend(
            "PVE_NETWORK=…  # as before, until these leases are over: proxmox-api leases list",
        ));
    }
    let pool = config.proxmox.address_pool();
    let others = pool.map(|pool| pool.others).unwrap_or_default();
    let is_anothers = |address: Ipv4Addr| {
        network.gateway != Some(address)
            && others
                .iter()
                .any(|other| other.contains(&IpAddr::V4(address)))
    };
    let doubled = leases(&is_anothers);
    if !doubled.is_empty() {
        let found = format!(
            "PVE_NAMESERVERS or GUEST_SSH_SOURCE names addresses of leases: {}",
            named(&doubled)
        );
        findings.push(Finding::warning(CHECK, expected, found).mend(
            "PVE_NAMESERVERS=…, GUEST_SSH_SOURCE=…  # as before, until these leases are over: proxmox-api leases list",
        ));
    }
    if findings.is_empty() && network.subnet.is_some() {
        findings.push(Finding::ok(
            CHECK,
            expected,
            format!("{} of them", live.len()),
        ));
    }
    findings
}

fn named(leases: &[&(LeaseId, Ipv4Addr)]) -> String {
    let first = leases.iter().take(NAMED);
    let mut names: Vec<String> = first
        .map(|(id, address)| format!("{address} of {id}"))
        .collect();
    if leases.len() > NAMED {
        names.push("…".to_owned());
    }
    names.join(", ")
}
