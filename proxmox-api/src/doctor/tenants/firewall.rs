//! The guests' firewall at its levels: the datacenter's switch, without which there is no rule
//! anywhere, the group, which Proxmox takes for empty where it is missing, and each node's switch
//! and service.

use pve::{NodeName, Refusal};

use super::{super::setup, Finding, SETUP, gap};
use crate::{lease::network::fence, proxmox::Proxmox};

const GROUP: &str = "tenants.group";
const FIREWALL: &str = "tenants.firewall";

pub(super) async fn examine(proxmox: &Proxmox, nodes: &[NodeName], proven: bool) -> Vec<Finding> {
    let mut findings = vec![
        group(proxmox, proven).await,
        datacenter(proxmox, proven).await,
    ];
    for node in nodes {
        findings.push(of_node(proxmox, node, proven).await);
    }
    findings
}

async fn group(proxmox: &Proxmox, proven: bool) -> Finding {
    let name = &proxmox.config.network.group;
    let expected = format!("there is a security group {name}");
    match proxmox.client.security_groups().await {
        Ok(groups) if groups.iter().any(|group| group.group == *name) => {
            rules(proxmox, proven, &expected).await
        }
        Ok(_) => {
            let found = "it is missing, and Proxmox takes a missing group for one without rules";
            Finding::new(GROUP, gap(proxmox, proven), expected, found).mend(SETUP)
        }
        Err(error) => Finding::unanswered(GROUP, &expected, &error),
    }
}

/// What is in the group, where this account may read it.
async fn rules(proxmox: &Proxmox, proven: bool, expected: &str) -> Finding {
    let name = &proxmox.config.network.group;
    match proxmox.client.security_group(name).await {
        Ok(rules) if !rules.iter().any(fence::closes_a_way_out) => {
            let found = "it has no rule that closes a way out";
            Finding::new(GROUP, gap(proxmox, proven), expected, found)
                .mend(SETUP)
                .mend(format!("pvesh get /cluster/firewall/groups/{name}"))
        }
        Ok(_) | Err(_) => Finding::ok(GROUP, expected, "it is there"),
    }
}

async fn datacenter(proxmox: &Proxmox, proven: bool) -> Finding {
    let expected = "the datacenter's firewall is on";
    match proxmox.client.cluster_firewall().await {
        Ok(firewall) if firewall.enable && firewall.ebtables == Some(false) => {
            let found = "it is, without ebtables: a tenant can claim another's address by ARP";
            Finding::new(FIREWALL, gap(proxmox, proven), expected, found)
                .mend("pvesh set /cluster/firewall/options --ebtables 1")
        }
        Ok(firewall) if firewall.enable => Finding::ok(FIREWALL, expected, "it is"),
        Ok(_) => {
            let found = "it is off, so no group and no ipfilter acts anywhere";
            Finding::new(FIREWALL, gap(proxmox, proven), expected, found).mend(
                "proxmox-api doctor --setup  # step 12; switching it on unprepared locks you out",
            )
        }
        Err(error) if matches!(error.refusal(), Some(Refusal::Forbidden { .. })) => {
            let found = "this account may not read whether it is";
            Finding::warning(FIREWALL, expected, found)
                .mend(setup::datacenter_grant(&proxmox.config))
        }
        Err(error) => Finding::unanswered(FIREWALL, expected, &error),
    }
}

async fn of_node(proxmox: &Proxmox, node: &NodeName, proven: bool) -> Finding {
    let expected = format!("the firewall of {node} is on and runs");
    let firewall = match proxmox.client.node_firewall(node).await {
        Ok(firewall) => firewall,
        Err(error) => return unread(&expected, &error),
    };
    if !firewall.is_enabled() {
        return Finding::new(
            FIREWALL,
            gap(proxmox, proven),
            expected,
            "it is switched off",
        )
        .mend(format!(
            "pvesh set /nodes/{node}/firewall/options --enable 1"
        ));
    }
    let service = firewall.service();
    match proxmox.client.service_state(node, service).await {
        Ok(state) if state.is_running() => Finding::ok(FIREWALL, &expected, service),
        Ok(_) => {
            let found = format!("{service} does not run, and with it every rule is gone");
            Finding::new(FIREWALL, gap(proxmox, proven), expected, found)
                .mend(format!("systemctl start {service}  # on {node}"))
        }
        Err(error) => unread(&expected, &error),
    }
}

/// The rights are examined by themselves.
fn unread(expected: &str, error: &pve::Error) -> Finding {
    Finding::warning(FIREWALL, expected, error.safe_text())
}
