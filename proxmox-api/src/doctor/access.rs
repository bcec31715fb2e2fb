//! Whether the token may do what leases need, privilege by privilege, and no more than that.

use pve::{Permissions, Refusal};

use super::{Finding, setup, unanswered};
use crate::proxmox::Proxmox;

const CHECK: &str = "proxmox.access";
/// What nobody needs who makes containers in one pool.
const TOO_MUCH: [&str; 4] = [
    "Permissions.Modify",
    "Sys.Modify",
    "Sys.Console",
    "User.Modify",
];

/// Looks at every path, and at the pool.
pub(super) async fn examine(proxmox: &Proxmox) -> Vec<Finding> {
    let permissions = match proxmox.client.permissions(None).await {
        Ok(permissions) => permissions,
        Err(error) => {
            return vec![unanswered(
                CHECK,
                "Proxmox lists the token's rights",
                &error,
            )];
        }
    };
    let mut findings: Vec<Finding> = setup::grants(&proxmox.config)
        .iter()
        .map(|grant| granted(proxmox, &permissions, grant))
        .collect();
    findings.extend(too_much(&permissions));
    findings.push(pool(proxmox).await);
    findings
}

fn granted(proxmox: &Proxmox, permissions: &Permissions, grant: &setup::Grant) -> Finding {
    let expected = format!("{} on {}", grant.privileges.join(" "), grant.path);
    let lacks = |privilege: &&&str| !permissions.grants(&grant.path, privilege);
    let missing: Vec<&str> = grant.privileges.iter().filter(lacks).copied().collect();
    if missing.is_empty() {
        return Finding::ok(CHECK, &expected, "it is granted");
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
    let held: Vec<&str> = TOO_MUCH
        .into_iter()
        .filter(|privilege| permissions.grants("/", privilege))
        .collect();
    (!held.is_empty()).then(|| {
        let found = format!("the token also has {} on everything", held.join(" "));
        Finding::warning(CHECK, "no more rights than leases need", found)
            .mend("proxmox-api doctor --setup prints the commands for an account of its own")
    })
}

async fn pool(proxmox: &Proxmox) -> Finding {
    const CHECK: &str = "proxmox.pool";
    let name = &proxmox.config.pool;
    let expected = format!("there is a pool {name}");
    match proxmox.client.pool(name).await {
        Ok(pool) => Finding::ok(
            CHECK,
            &expected,
            format!("it is there, with {} containers", pool.members.len()),
        ),
        // Whether it is missing or hidden, both commands are needed in the end.
        Err(error)
            if matches!(error.refusal(), Some(Refusal::Forbidden { .. }))
                || error.refusal().is_some() =>
        {
            Finding::error(CHECK, &expected, error.safe_text())
                .mend(format!("pveum pool add {name}"))
        }
        Err(error) => unanswered(CHECK, &expected, &error),
    }
}
