//! The service's way into containers: whether the proxy lets it in, and by which way each running
//! lease is reached. SSH is tried by a login with the pinned host key; nothing is run.

use std::collections::BTreeMap;
use std::time::Instant;

use ::guest::{Dialer, GuestConnections, GuestError, Limits};
use futures_util::{StreamExt as _, stream};
use pve::{ContainerState, Vmid};
use service::clock::Clock;
use tokio::time::timeout;

use super::{Finding, store};
use crate::{
    config::Config,
    installation::Installation,
    lease::guest::connect::{CONNECT_TIMEOUT, obstacle, target_of},
    memory::guest_routes::SshObstacle,
    proxmox::Proxmox,
    store::{Lease, LeaseState},
};

const PROXY: &str = "guest.proxy";
const SSH: &str = "guest.ssh";
/// Leases that are tried, and how many at a time.
const TRIED: usize = 100;
const AT_ONCE: usize = 8;

/// Whether the proxy in front of the containers' network answers; nothing where there is none.
pub(super) async fn proxy(config: &Config) -> Option<Finding> {
    let dialer = &config.guest.dialer;
    if !config.guest.ssh || *dialer == Dialer::Direct {
        return None;
    }
    // This text has no password.
    let expected = format!("the proxy {dialer:?} lets the service in");
    Some(match dialer.check_proxy(CONNECT_TIMEOUT).await {
        Ok(()) => Finding::ok(PROXY, &expected, "it does"),
        Err(error) => {
            let found = match error {
                GuestError::Proxy(why) => why,
                error => error.to_string(),
            };
            Finding::warning(
                PROXY,
                &expected,
                format!("{found}; containers are reached by their terminal only"),
            )
            .mend("GUEST_PROXY=socks5h://USER:PASSWORD@HOST:PORT  # of a SOCKS5 proxy that runs")
        }
    })
}

/// By which way the running leases' containers are reached.
pub(super) async fn examine(config: &Config, proxmox: &Proxmox, clock: &dyn Clock) -> Finding {
    let expected = "containers are reached by SSH where they have it";
    if !config.guest.ssh {
        let found = "by their terminal only, since GUEST_SSH is off";
        return Finding::ok(SSH, "containers are reached", found);
    }
    let leases = match running_leases(config, proxmox).await {
        Ok(leases) if leases.is_empty() => {
            return Finding::ok(SSH, expected, "no lease runs that could be tried");
        }
        Ok(leases) => leases,
        Err(error) => return Finding::unanswered(SSH, expected, &error),
    };
    let Some(installation) = installation(config).await else {
        return Finding::warning(
            SSH,
            expected,
            "the key of this installation is not known here",
        )
        .mend("INSTALLATION_KEY=…  # the one that the service is started with");
    };
    let connections = GuestConnections::new(config.guest.dialer.clone(), Limits::default());
    let now = clock.unix_time();
    let tries = leases.iter().take(TRIED).map(|lease| {
        let target = target_of(&config.guest, &installation, lease, now);
        let guest = target.map(|target| connections.guest(target));
        async move {
            let guest = guest?;
            let begun = Instant::now();
            match timeout(CONNECT_TIMEOUT, guest.probe()).await {
                Ok(Ok(())) => Ok(begun.elapsed().as_millis()),
                Ok(Err(error)) => Err(obstacle(&error)),
                Err(_) => Err(SshObstacle::Unreachable),
            }
        }
    });
    let tried: Vec<Result<u128, SshObstacle>> = stream::iter(tries)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    finding(config, expected, leases.len(), &tried)
}

/// The leases whose container runs.
async fn running_leases(config: &Config, proxmox: &Proxmox) -> Result<Vec<Lease>, pve::Error> {
    // A store that cannot be read is a finding of its own.
    let leases = match store::open(config).await {
        Some(store) => store.live_leases().await.unwrap_or_default(),
        None => Vec::new(),
    };
    if leases.is_empty() {
        return Ok(leases);
    }
    let guests = proxmox.guests().await?;
    let runs = |vmid: Vmid| {
        let mut guests = guests.iter();
        guests.any(|guest| guest.vmid == vmid && guest.status == ContainerState::Running)
    };
    let runs = |lease: &Lease| lease.state == LeaseState::Active && runs(lease.vmid);
    Ok(leases.into_iter().filter(runs).collect())
}

async fn installation(config: &Config) -> Option<Installation> {
    let store = store::open(config).await?;
    let read = Installation::read(&store, config.installation_key.as_ref()).await;
    read.ok().flatten()
}

fn finding(
    config: &Config,
    expected: &str,
    running: usize,
    tried: &[Result<u128, SshObstacle>],
) -> Finding {
    let mut times: Vec<u128> = tried.iter().filter_map(|one| one.ok()).collect();
    times.sort_unstable();
    let mut found = format!("running leases: {running}; by SSH: {}", times.len());
    if let Some(median) = times.get(times.len() / 2) {
        found += &format!(" (login in {median} ms)");
    }
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for obstacle in tried.iter().filter_map(|one| one.err()) {
        *reasons.entry(obstacle.sentence()).or_default() += 1;
    }
    found += &format!("; by the terminal: {}", tried.len() - times.len());
    for (sentence, count) in reasons {
        found += &format!("; {count}: {sentence}");
    }
    if running > tried.len() {
        found += &format!(" Only {} were tried.", tried.len());
    }
    let has = |obstacle| tried.contains(&Err(obstacle));
    if has(SshObstacle::Unreachable) {
        return unreachable(config, Finding::warning(SSH, expected, found));
    }
    if has(SshObstacle::HostKeyChanged) {
        return Finding::warning(SSH, expected, found).mend(
            "proxmox-api leases list  # another machine answers at that address, or the owner has \
             new host keys and calls POST /lease/LEASE/access",
        );
    }
    Finding::ok(SSH, expected, found)
}

/// What leads to port 22 of containers.
pub(super) fn unreachable(config: &Config, finding: Finding) -> Finding {
    let finding = match config.guest.dialer {
        Dialer::Direct => finding
            .mend("a route from this machine to PVE_NETWORK by way of the host")
            .mend(
                "GUEST_PROXY=socks5h://HOST:PORT  # of a SOCKS5 proxy that has a leg in that network",
            ),
        Dialer::Socks5 { .. } => {
            finding.mend("a route from the proxy of GUEST_PROXY to PVE_NETWORK")
        }
    };
    let setting = match config.proxmox.network.ssh_source {
        Some(source) => format!(
            "GUEST_SSH_SOURCE=…  # the address from which containers see the service or its proxy; \
             it is {source}, and only new containers and the security group get another one"
        ),
        None => "GUEST_SSH_SOURCE=…  # the address from which containers see the service or its \
                 proxy; then proxmox-api doctor --setup"
            .to_owned(),
    };
    finding.mend(setting)
}
