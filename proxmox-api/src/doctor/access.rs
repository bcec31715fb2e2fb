//! Whether the token may do what leases need, privilege by privilege, and no more than that.

use pve::{NodeName, Permissions};

use super::{Finding, setup};
use crate::proxmox::Proxmox;

const CHECK: &str = "proxmox.access";
/// What nobody needs who makes containers in one pool, and where holding it reaches beyond.
const TOO_MUCH: [(&str, &[&str]); 2] = [
    (
        "/",
        &[
            "Permissions.Modify",
            "Sys.Modify",
            "Sys.Console",
            "User.Modify",
        ],
    ),
    ("/vms", &["VM.Allocate", "VM.Console"]),
];

/// Looks at every path on which something is needed; `nodes` are those that would take containers.
pub(super) async fn examine(proxmox: &Proxmox, nodes: &[NodeName]) -> Vec<Finding> {
    let permissions = match proxmox.client.permissions(None).await {
        Ok(permissions) => permissions,
        Err(error) => {
            let expected = "Proxmox lists the token's rights";
            return vec![Finding::unanswered(CHECK, expected, &error)];
        }
    };
    let mut findings: Vec<Finding> = setup::grants(&proxmox.config)
        .iter()
        .map(|grant| granted(proxmox, &permissions, nodes, grant))
        .collect();
    findings.extend(too_much(&permissions));
    findings
}

fn granted(
    proxmox: &Proxmox,
    permissions: &Permissions,
    nodes: &[NodeName],
    grant: &setup::Grant,
) -> Finding {
    let expected = format!("{} on {}", grant.privileges.join(" "), grant.path);
    // What is wanted on all nodes may also be given on each.
    let on_each = |privilege: &str| {
        grant.path == "/nodes"
            && !nodes.is_empty()
            && nodes
                .iter()
                .all(|node| permissions.grants(&format!("/nodes/{node}"), privilege))
    };
    let lacks =
        |privilege: &&&str| !permissions.grants(&grant.path, privilege) && !on_each(privilege);
    let missing: Vec<&str> = grant.privileges.iter().filter(lacks).copied().collect();
    if missing.is_empty() {
        return Finding::ok(CHECK, &expected, "granted");
    }
    let found = if permissions.paths().is_empty() {
        // A token with privilege separation has its own rights only, and at first none.
        "the token has no rights at all; one with privilege separation needs its own".to_owned()
    } else {
        format!("{} on {} is missing", missing.join(" "), grant.path)
    };
    let finding = if grant.needed {
        Finding::error(CHECK, &expected, found)
    } else {
        Finding::warning(CHECK, &expected, found)
    };
    grant
        .commands(&proxmox.config.token_id)
        .into_iter()
        .fold(finding, Finding::mend)
}

fn too_much(permissions: &Permissions) -> Option<Finding> {
    let held: Vec<String> = TOO_MUCH
        .iter()
        .filter_map(|(path, privileges)| {
            let held = privileges
                .iter()
                .filter(|privilege| permissions.grants(path, privilege));
            let held: Vec<&str> = held.copied().collect();
            (!held.is_empty()).then(|| format!("{} on {path}", held.join(" ")))
        })
        .collect();
    (!held.is_empty()).then(|| {
        let found = format!("the token also has {}", held.join(", "));
        Finding::warning(CHECK, "no more rights than leases need", found)
            .mend("proxmox-api doctor --setup  # prints the commands for an account of its own")
    })
}
