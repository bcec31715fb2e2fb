//! Whether commands and consoles will find an account that Proxmox lets in. Where a container of ours is there, a terminal is
//! really opened: only that proves that the host takes tokens for it.

use pve::{
    Auth, Client, ContainerState, NodeName, PoolMember, Refusal, TerminalError, Version, Vmid,
};

use super::{Depth, Finding, connection, setup};
use crate::{
    config::ConsoleAccount,
    lease::marker,
    proxmox::{Proxmox, connect},
};

const CHECK: &str = "proxmox.console";
/// The first major version with hosts that take tokens for terminals.
const TOKENS_SINCE: u32 = 9;

/// What lets a proxy in front of Proxmox pass consoles on, for the usual ones.
const WEBSOCKETS: [&str; 4] = [
    "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; \
     proxy_read_timeout 1h;  # nginx, in the location that leads to Proxmox",
    "ProxyPass / https://the-host:8006/ upgrade=websocket  # Apache 2.4.47 or newer",
    "reverse_proxy https://the-host:8006  # Caddy passes WebSockets on by itself, unless Upgrade or Connection is removed",
    "PVE_HOST=https://the-host:8006  # the host itself, without the proxy",
];

/// Tries the account that consoles will use.
pub(super) async fn examine(
    proxmox: &Proxmox,
    version: &Version,
    members: &[PoolMember],
    depth: Depth,
) -> Finding {
    let client = match &proxmox.config.console {
        Some(account) => match signed_in(proxmox, account).await {
            Ok(client) => Some(client),
            Err(finding) => return *finding,
        },
        None => None,
    };
    if depth == Depth::Full
        && let Some((node, vmid)) = to_be_tried(proxmox, members).await
    {
        return opened(proxmox, client.as_ref(), &node, vmid).await;
    }
    let expected = "Proxmox takes an account of ours for consoles";
    if let Some(account) = &proxmox.config.console {
        let found = format!(
            "{} can sign in and has VM.Console on the pool",
            account.user
        );
        return Finding::ok(CHECK, expected, found);
    }
    if connection::major(version).is_some_and(|major| major < TOKENS_SINCE) {
        let found = format!(
            "Proxmox VE {} takes no token for consoles, and there is no PVE_CONSOLE_USER",
            version.version
        );
        return account_made(Finding::warning(CHECK, expected, found), proxmox);
    }
    let found = "by its version it takes the token, if pve-container is 6.1.3 or newer; \
                 the examination tries it once a container is there";
    Finding::ok(CHECK, expected, found)
}

/// The console account's client, once it has signed in.
async fn signed_in(proxmox: &Proxmox, account: &ConsoleAccount) -> Result<Client, Box<Finding>> {
    let user = &account.user;
    let path = format!("/pool/{}", proxmox.config.pool);
    let expected = format!("{user} can sign in and has VM.Console on {path}");
    let auth = Auth::password(user, account.password.clone());
    let client = connect(&proxmox.config, auth)
        .map_err(|error| Finding::error(CHECK, &expected, error.to_string()))?;
    match client.privileges(&path).await {
        Ok(held) if held.contains("VM.Console") => Ok(client),
        Ok(_) => {
            let found = format!("it lacks VM.Console on {path}");
            let finding = Finding::error(CHECK, &expected, found);
            let commands = setup::console_grant(&proxmox.config, user).into_iter();
            Err(Box::new(commands.fold(finding, Finding::mend)))
        }
        Err(error) if error.refusal() == Some(&Refusal::Unauthorized) => {
            let found = "Proxmox does not take its password";
            let passwd = format!("pveum passwd {user}  # then PVE_CONSOLE_PASSWORD");
            Err(Box::new(
                Finding::error(CHECK, &expected, found).mend(passwd),
            ))
        }
        Err(error) if error.refusal() == Some(&Refusal::SecondFactor) => {
            let found = "its password is right, but Proxmox asks for a second factor, \
                         which a service cannot give";
            let remove = format!("pveum user tfa list {user}; pveum user tfa delete {user}");
            let finding = Finding::error(CHECK, &expected, found)
                .mend(format!("{remove}  # where the factor is the user's own"))
                .mend("pveum realm list  # where the realm demands one: take a user of another realm")
                .mend("unset PVE_CONSOLE_USER  # where pve-container is 6.1.3 or newer: tokens need none");
            Err(Box::new(finding))
        }
        Err(error) => Err(Box::new(Finding::unanswered(CHECK, &expected, &error))),
    }
}

/// A container that this software made, a stopped one if possible: there nobody sees that somebody looked.
async fn to_be_tried(proxmox: &Proxmox, members: &[PoolMember]) -> Option<(NodeName, Vmid)> {
    let mut candidates: Vec<&PoolMember> = members
        .iter()
        .filter(|member| member.status != ContainerState::Unknown)
        .collect();
    candidates.sort_by_key(|member| member.status == ContainerState::Running);
    for member in candidates {
        let (Some(vmid), Some(node)) = (member.vmid, member.node.as_deref()) else {
            continue;
        };
        let Ok(node) = NodeName::new(node) else {
            continue;
        };
        let Ok(config) = proxmox.client.config(&node, vmid).await else {
            continue;
        };
        if proxmox.config.vmids.contains(&vmid.get())
            && !marker::all(config.description.as_deref()).is_empty()
        {
            return Some((node, vmid));
        }
    }
    None
}

async fn opened(
    proxmox: &Proxmox,
    fallback: Option<&Client>,
    node: &NodeName,
    vmid: Vmid,
) -> Finding {
    let expected = format!("a console of container {vmid} on {node} can be opened");
    let by_token = takes(&proxmox.client, node, vmid).await;
    let error = match (by_token, fallback) {
        (Ok(()), _) => return Finding::ok(CHECK, &expected, "by the token"),
        (Err(error), None) => error,
        (Err(_), Some(client)) => match takes(client, node, vmid).await {
            Ok(()) => {
                let found = format!("by {}, since the host takes no token", client.account());
                return Finding::ok(CHECK, &expected, found);
            }
            Err(error) => error,
        },
    };
    let finding = Finding::error(CHECK, &expected, error.to_string());
    match error {
        TerminalError::AuthUnsupported { .. } => account_made(
            finding.mend(
                "apt update && apt full-upgrade  # on the host: pve-container 6.1.3 or newer",
            ),
            proxmox,
        ),
        TerminalError::NoUpgrade { .. } => WEBSOCKETS
            .iter()
            .fold(finding, |finding, setting| finding.mend(*setting)),
        TerminalError::Api(error) if matches!(error.refusal(), Some(Refusal::Forbidden { .. })) => {
            finding.mend("proxmox-api doctor --setup  # VM.Console belongs to the role on the pool")
        }
        _ => finding,
    }
}

/// Opens a terminal and leaves it at once, without a key pressed.
async fn takes(client: &Client, node: &NodeName, vmid: Vmid) -> Result<(), TerminalError> {
    match client.terminal(node, vmid, 80, 24).await {
        // A stopped container's terminal ends at once, after the account was taken.
        Ok(_) | Err(TerminalError::Lost(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

fn account_made(finding: Finding, proxmox: &Proxmox) -> Finding {
    let commands = setup::console_account(&proxmox.config).into_iter();
    commands.fold(finding, Finding::mend)
}
