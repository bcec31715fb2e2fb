//! What a probe needs before it makes a container: settings, a template, addresses that no lease
//! has.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use service::clock::Clock;

use super::{CHECK, Finding, SETUP};
use crate::{
    config::Config,
    proxmox::Proxmox,
    store::{DatabaseCondition, ProbeClaim, Store, database_condition},
};

/// Addresses that a probe needs: of its two containers, and one that no container has.
const ADDRESSES: usize = 3;

/// The network and the addresses that a probe uses.
pub(super) struct ProbeNetwork {
    pub(super) bridge: String,
    pub(super) vlan: Option<u16>,
    pub(super) subnet: Ipv4Net,
    pub(super) gateway: Ipv4Addr,
    /// Of the first container, of the second, and one that no container has.
    pub(super) addresses: [Ipv4Addr; ADDRESSES],
    pub(super) template: String,
}

/// Reads the settings, opens the store and claims the addresses.
///
/// # Errors
/// The finding that says why no probe can begin.
pub(super) async fn prepare(
    config: &Config,
    proxmox: &Proxmox,
    id: &str,
    clock: &dyn Clock,
) -> Result<(ProbeNetwork, Store), Box<Finding>> {
    let expected = "the fence can be tried";
    let lacks =
        |found: String, mend: &str| Box::new(Finding::error(CHECK, expected, found).mend(mend));
    let settings = &proxmox.config.network;
    let (Some(subnet), Some(gateway), Some(bridge)) = (
        settings.subnet,
        settings.gateway,
        proxmox.config.bridge.clone(),
    ) else {
        return Err(lacks("PVE_NETWORK is not set".into(), SETUP));
    };
    let start = "start the service once, so that there is a store of this release";
    if !matches!(
        database_condition(&config.database).await,
        Ok(DatabaseCondition::InOrder)
    ) {
        return Err(lacks("there is no store for the outcome".into(), start));
    }
    let store = Store::open_database(&config.database).await;
    let store = store.map_err(|error| lacks(error.to_string(), start))?;
    let templates = proxmox.templates().await;
    let templates = templates.map_err(|error| lacks(error.safe_text(), "proxmox-api doctor"))?;
    let Some(template) = templates.first() else {
        return Err(lacks(
            "there is no template".into(),
            "proxmox-api doctor  # names the command",
        ));
    };
    let Some(pool) = proxmox.config.address_pool() else {
        return Err(lacks("PVE_NETWORK is not set".into(), SETUP));
    };
    // The last step, because a claim has to be released.
    let claimed = store.claim_probe_addresses(id, pool, ADDRESSES, clock.unix_time());
    let claimed = claimed
        .await
        .map_err(|error| lacks(error.to_string(), start))?;
    let addresses = match claimed {
        ProbeClaim::Claimed(addresses) => <[Ipv4Addr; ADDRESSES]>::try_from(addresses)
            .map_err(|_| lacks("the store gave too few addresses".into(), start))?,
        ProbeClaim::Busy(since) => {
            let minutes = (clock.unix_time() - since) / 60;
            return Err(lacks(
                format!("another probe began {minutes} minutes ago, and has not ended"),
                "proxmox-api doctor --probe  # when it has; if it was killed, in an hour",
            ));
        }
        ProbeClaim::TooFew => {
            return Err(lacks(
                "too few addresses of PVE_NETWORK are free".into(),
                "PVE_NETWORK=…  # a larger one",
            ));
        }
    };
    let network = ProbeNetwork {
        bridge,
        vlan: settings.vlan,
        subnet,
        gateway,
        addresses,
        template: template.volume.clone(),
    };
    Ok((network, store))
}
