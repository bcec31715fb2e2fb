//! `proxmox-api doctor --probe`: makes two throwaway containers on each node, tries from inside
//! which addresses a tenant reaches, removes the containers, and stores the proof that the bridge's
//! own table fences this network in. The containers are outside of the guests' firewall, so that
//! only the table can close a path. That firewall is then switched on for one of them, which tries
//! to send with another's address, and lastly it is counted how many processes a container may
//! have. The service's own way in by SSH is tried with them as well.

mod address_claim;
mod containers;
mod node;
mod paths;
mod prepare;
mod processes;
mod proof;
mod ssh_access;

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use service::{clock::Clock, crypto};

pub use address_claim::AddressClaim;
pub use paths::NetworkPath;

use super::{Finding, nodes};
use crate::{config::Config, memory::fences::SETTLES_AFTER, proxmox::Proxmox};
use containers::ProbeContainers;
use paths::INTERNET;

const CHECK: &str = "probe";
/// The command that prints the fence.
const SETUP: &str = "proxmox-api doctor --setup  # prints the fence for these settings";

/// Which network paths are tried.
#[derive(Debug, Clone)]
pub enum ProbeScope {
    /// All that a tenant has, also to a second container: on the bridge and through the gateway.
    AllPaths,
    /// These, from the first container to elsewhere.
    Only(Vec<NetworkPath>, ExtraChecks),
}

/// Checks beside those of network paths. They say nothing of the bridge's table and disprove
/// nothing.
#[derive(Debug, Clone, Default)]
pub struct ExtraChecks {
    /// Send with another container's address.
    pub claim: Option<AddressClaim>,
    /// Start so many processes.
    pub processes: Option<u32>,
    /// Log into a container by SSH.
    pub ssh: bool,
}

impl ProbeScope {
    fn extra_checks(&self) -> ExtraChecks {
        match self {
            Self::Only(_, extra) => extra.clone(),
            Self::AllPaths => ExtraChecks {
                claim: Some(AddressClaim {
                    host: INTERNET.0.into(),
                    port: INTERNET.1,
                    settles: Duration::from_secs(SETTLES_AFTER.unsigned_abs()),
                }),
                processes: Some(processes::PROCESSES_TRIED),
                ssh: true,
            },
        }
    }
}

/// Probes every node. `stopped` ends the probe before its next step; the containers are removed in
/// any case.
pub async fn run(
    config: &Config,
    proxmox: &Proxmox,
    clock: &dyn Clock,
    scope: ProbeScope,
    stopped: &AtomicBool,
) -> Vec<Finding> {
    let id = crypto::random_hex(8);
    let (network, store) = match prepare::prepare(config, proxmox, &id, clock).await {
        Ok(ready) => ready,
        Err(finding) => return vec![*finding],
    };
    let (mut findings, usable) = nodes::examine(proxmox).await;
    findings.retain(|finding| !finding.mend.is_empty());
    let containers = ProbeContainers::new(proxmox, network.template.clone(), &id, &config.guest);
    let mut extra_findings = Vec::new();
    let mut all_removed = true;
    for node in &usable {
        let context = node::NodeProbe {
            config,
            proxmox,
            containers: &containers,
            node,
            network: &network,
            scope: &scope,
            stopped,
        };
        let tried = context.run(&mut extra_findings).await;
        findings.extend(tried.unwrap_or_else(|why| {
            let expected = format!("the fence on {node} can be tried");
            vec![Finding::error(CHECK, &expected, why).mend(SETUP)]
        }));
        if let Err(left) = containers.remove().await {
            all_removed = false;
            let expected = "the probe's containers are removed";
            let found = format!("these may be left: {left}");
            findings.push(Finding::error(CHECK, expected, found).mend(
                "pct destroy VMID --force 1 --purge 1  # on the node; its name is infra402-probe",
            ));
        }
    }
    let is_proven = !usable.is_empty() && findings.iter().all(|finding| finding.mend.is_empty());
    findings.extend(extra_findings);
    // Addresses of containers that may be left stay claimed until another probe.
    if all_removed && let Err(error) = store.release_probe_addresses(&id).await {
        let expected = "the probe's addresses are given back";
        findings.push(
            Finding::warning(CHECK, expected, error.to_string())
                .mend("proxmox-api doctor --probe  # again in an hour"),
        );
    }
    findings.push(proof::store(&store, &network, usable, is_proven, clock).await);
    findings
}
