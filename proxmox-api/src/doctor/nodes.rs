//! Whether the configured nodes exist.

use pve::{NodeName, NodeState};

use super::{Finding, Severity, listed};
use crate::proxmox::Proxmox;

const CHECK: &str = "proxmox.nodes";

/// The findings, and the nodes that can be used.
pub(super) async fn examine(proxmox: &Proxmox) -> (Vec<Finding>, Vec<NodeName>) {
    let known = match proxmox.client.nodes().await {
        Ok(known) => known,
        Err(error) => {
            return (
                vec![Finding::unanswered(
                    CHECK,
                    "Proxmox lists its nodes",
                    &error,
                )],
                Vec::new(),
            );
        }
    };
    let names: Vec<&str> = known.iter().map(|node| node.node.as_str()).collect();
    let wanted = if proxmox.config.nodes.is_empty() {
        known.iter().map(|node| node.node.clone()).collect()
    } else {
        proxmox.config.nodes.clone()
    };
    let (mut findings, mut usable) = (Vec::new(), Vec::new());
    for name in wanted {
        let expected = format!("the node {name} is online");
        let finding = match known.iter().find(|node| node.node == name) {
            Some(node) if node.status == NodeState::Online => {
                usable.push(name);
                Finding::ok(CHECK, &expected, "it is")
            }
            Some(_) => Finding::warning(
                CHECK,
                &expected,
                "it is offline; no container is placed there",
            ),
            None => Finding::error(
                CHECK,
                &expected,
                format!(
                    "there is no such node; there are: {}",
                    listed(names.iter().copied())
                ),
            )
            .mend(format!("PVE_NODE={}", names.join(",")))
            .mend("pvesh get /nodes  # on the host"),
        };
        findings.push(finding);
    }
    if usable.is_empty()
        && findings
            .iter()
            .all(|finding| finding.severity != Severity::Error)
    {
        findings.push(
            Finding::error(CHECK, "a node takes containers", "none is online")
                .mend("pvecm status  # on a host of the cluster"),
        );
    }
    (findings, usable)
}
