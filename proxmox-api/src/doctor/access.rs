//! Whether the token may do what leases need, privilege by privilege, and no more than that.

use std::collections::BTreeMap;

use pve::{NodeName, Permissions, Privileges};

use super::{Finding, setup};
use crate::proxmox::Proxmox;

const CHECK: &str = "proxmox.access";
/// Privileges that an account for containers in one pool does not need, and the paths on which they
/// reach beyond it.
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

/// The token's privileges by path. Each path is asked for by itself: Proxmox's list of all leaves
/// out a path whose own rule takes every right away, and rights from above would seem to hold
/// there.
struct TokenPrivileges {
    listed: Permissions,
    by_path: BTreeMap<String, Privileges>,
}

impl TokenPrivileges {
    async fn read(proxmox: &Proxmox, paths: Vec<String>) -> Result<Self, pve::Error> {
        let listed = proxmox.client.permissions().await?;
        let mut by_path = BTreeMap::new();
        for path in paths {
            let held = proxmox.client.privileges(&path).await?;
            by_path.insert(path, held);
        }
        Ok(Self { listed, by_path })
    }

    fn has(&self, path: &str, privilege: &str) -> bool {
        let held = self.by_path.get(path);
        held.is_some_and(|held| held.contains(privilege))
    }

    /// Whether a path above hands the privilege down, so that only a rule on the path itself can
    /// have taken it away.
    fn handed_down(&self, path: &str, privilege: &str) -> bool {
        let above = self.listed.paths().iter().filter(|(other, _)| {
            let rest = path.strip_prefix(other.trim_end_matches('/'));
            rest.is_some_and(|rest| rest.starts_with('/'))
        });
        above
            .max_by_key(|(other, _)| other.len())
            .is_some_and(|(_, held)| held.get(privilege) == Some(&true))
    }
}

/// Examines every path on which a privilege is needed; `nodes` are those that take containers.
pub(super) async fn examine(
    proxmox: &Proxmox,
    nodes: &[NodeName],
    zone: setup::Zone<'_>,
) -> Vec<Finding> {
    let grants = setup::grants(&proxmox.config, zone);
    let of_grants = grants.iter().map(|grant| grant.path.clone());
    let of_nodes = nodes.iter().map(|node| format!("/nodes/{node}"));
    let beyond = TOO_MUCH.iter().map(|(path, _)| (*path).to_owned());
    let held =
        match TokenPrivileges::read(proxmox, of_grants.chain(of_nodes).chain(beyond).collect())
            .await
        {
            Ok(held) => held,
            Err(error) => {
                let expected = "Proxmox lists the token's rights";
                return vec![Finding::unanswered(CHECK, expected, &error)];
            }
        };
    let mut findings: Vec<Finding> = grants
        .iter()
        .map(|grant| granted(proxmox, &held, nodes, grant))
        .collect();
    findings.extend(too_much(&held));
    findings
}

fn granted(
    proxmox: &Proxmox,
    held: &TokenPrivileges,
    nodes: &[NodeName],
    grant: &setup::Grant,
) -> Finding {
    let expected = format!("{} on {}", grant.privileges.join(" "), grant.path);
    // A privilege that is needed on all nodes may also be granted on each.
    let on_each = |privilege: &str| {
        grant.path == "/nodes"
            && !nodes.is_empty()
            && nodes
                .iter()
                .all(|node| held.has(&format!("/nodes/{node}"), privilege))
    };
    let lacks = |privilege: &&&str| !held.has(&grant.path, privilege) && !on_each(privilege);
    let missing: Vec<&str> = grant.privileges.iter().filter(lacks).copied().collect();
    if missing.is_empty() {
        return Finding::ok(CHECK, &expected, "granted");
    }
    let locked = missing
        .iter()
        .any(|privilege| held.handed_down(&grant.path, privilege));
    let found = if held.listed.paths().is_empty() {
        // A token with privilege separation has its own rights only, and at first none.
        "the token has no rights at all; one with privilege separation needs its own".to_owned()
    } else if locked {
        let missing = missing.join(" ");
        format!(
            "{missing} on {} is missing: a rule there takes away what is granted above",
            grant.path
        )
    } else {
        format!("{} on {} is missing", missing.join(" "), grant.path)
    };
    let finding = if grant.needed {
        Finding::error(CHECK, &expected, found)
    } else {
        Finding::warning(CHECK, &expected, found)
    };
    let token_id = &proxmox.config.token_id;
    // The role NoAccess outweighs every other on the same path, so granting alone would change
    // nothing.
    let unlock = grant.unlock(token_id);
    if locked {
        let commands = grant.commands(token_id).into_iter();
        commands.fold(finding.mend(unlock), Finding::mend)
    } else {
        let commands = grant.commands(token_id).into_iter();
        commands.fold(finding, Finding::mend).mend(unlock)
    }
}

fn too_much(held: &TokenPrivileges) -> Option<Finding> {
    let held: Vec<String> = TOO_MUCH
        .iter()
        .filter_map(|(path, privileges)| {
            let held = privileges
                .iter()
                .filter(|privilege| held.has(path, privilege));
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
