//! The accounts that exist when the simulator starts.

use std::collections::BTreeMap;

use super::{CONSOLE_USER, SERVICE_TOKEN, SERVICE_USER, Secrets};
use crate::access::{Access, Token, User};
use crate::config::SimConfig;

/// The least privilege that the project's documentation asks an operator to give.
pub(super) fn accounts(config: &SimConfig, secrets: &Secrets) -> Access {
    let mut access = Access::new();
    let zones = config.vnets.iter();
    access.zones = zones
        .map(|one| (one.vnet.clone(), one.zone.clone()))
        .collect();
    access.set_role(
        "Infra402Guest",
        &[
            "VM.Allocate",
            "VM.Audit",
            "VM.Console",
            "VM.PowerMgmt",
            "VM.Config.CPU",
            "VM.Config.Memory",
            "VM.Config.Disk",
            "VM.Config.Network",
            "VM.Config.Options",
            "Pool.Audit",
        ],
    );
    access.set_role("Infra402Node", &["Sys.Audit"]);
    access.set_role("Infra402Console", &["VM.Audit", "VM.Console"]);
    access.set_role("Infra402Templates", &["Datastore.Audit"]);
    access.pools.insert(config.pool.clone());

    let login = |password: &str| User {
        password: Some(password.to_owned()),
        ..User::default()
    };
    access.users.insert("root@pam".into(), login(&secrets.root));
    access
        .users
        .insert(CONSOLE_USER.into(), login(&secrets.console));
    let token = Token {
        secret: secrets.token.clone(),
        privsep: config.token_privsep,
    };
    let service = User {
        tokens: BTreeMap::from([(SERVICE_TOKEN.to_owned(), token)]),
        ..User::default()
    };
    access.users.insert(SERVICE_USER.into(), service);

    let token_id = format!("{SERVICE_USER}!{SERVICE_TOKEN}");
    let mut holders = vec![SERVICE_USER];
    if config.token_privsep {
        holders.push(&token_id);
    }
    for holder in holders {
        access.grant(&format!("/pool/{}", config.pool), holder, "Infra402Guest");
        for storage in &config.storages {
            let role = if storage.content.iter().any(|kind| kind == "rootdir") {
                "PVEDatastoreUser"
            } else {
                "Infra402Templates"
            };
            access.grant(&format!("/storage/{}", storage.name), holder, role);
        }
        let bridge = access.bridge_path(&config.bridge);
        access.grant(&bridge, holder, "PVESDNUser");
        for node in &config.nodes {
            access.grant(&format!("/nodes/{node}"), holder, "Infra402Node");
        }
    }
    access.grant(
        &format!("/pool/{}", config.pool),
        CONSOLE_USER,
        "Infra402Console",
    );
    access
}
