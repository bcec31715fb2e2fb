//! Throwaway containers of a probe. Each is remembered before Proxmox is asked for it, carries the
//! marker of this one probe, and is removed in any case; a container without the marker is never
//! touched.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ::guest::{GuestKey, GuestTarget, HostKeys};
use pve::{
    ContainerConfig, CreateContainer, Destroy, ExecRequest, Network, NodeName, Refusal, RootFs,
    Upid, Vmid, WaitOptions,
};
use service::crypto;
use tokio::time::{Instant, sleep};

use crate::{
    config::GuestConfig,
    lease::guest::{
        connect::{SSH_PORT, line_of_key},
        host_keys,
    },
    proxmox::Proxmox,
};

/// How long Proxmox may take for one task.
const STEP_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a removal is retried, and at which interval.
const REMOVAL_TIMEOUT: Duration = Duration::from_secs(180);
const REMOVAL_RETRY_INTERVAL: Duration = Duration::from_secs(2);
/// Times that a number has to be seen free until it counts as never taken.
const FREE_SIGHTINGS: u32 = 3;
/// VMIDs that are tried for one container.
const VMID_ATTEMPTS: usize = 20;
/// MiB: enough for the processes that a probe starts, which need it only for a moment.
const MEMORY_MB: u64 = 1536;
/// GiB: enough for a system that only opens connections.
const DISK_GIB: u32 = 4;

/// The containers of one probe.
pub(super) struct ProbeContainers<'a> {
    proxmox: &'a Proxmox,
    template: String,
    marker: String,
    made: Mutex<Vec<(NodeName, Vmid)>>,
    /// The probe's own SSH key, unless SSH is not used. It ends with the probe.
    key: Option<GuestKey>,
    /// The host keys of the containers, by address.
    host_keys: Mutex<HashMap<Ipv4Addr, HostKeys>>,
}

impl<'a> ProbeContainers<'a> {
    pub(super) fn new(
        proxmox: &'a Proxmox,
        template: String,
        id: &str,
        guest: &GuestConfig,
    ) -> Self {
        let key = || GuestKey::derive(crypto::random_hex(32).as_bytes(), id);
        Self {
            key: guest.ssh.then(key),
            host_keys: Mutex::default(),
            proxmox,
            template,
            marker: format!(
                "infra402 probe {id}: made by `proxmox-api doctor --probe`, and may be removed"
            ),
            made: Mutex::default(),
        }
    }

    fn made(&self) -> std::sync::MutexGuard<'_, Vec<(NodeName, Vmid)>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn host_keys(&self) -> std::sync::MutexGuard<'_, HashMap<Ipv4Addr, HostKeys>> {
        let keys = self.host_keys.lock();
        keys.unwrap_or_else(PoisonError::into_inner)
    }

    /// The way by SSH into the last container that was made with this address.
    pub(super) fn target(&self, address: Ipv4Addr) -> Option<GuestTarget> {
        Some(GuestTarget {
            lease_id: address.to_string(),
            address: address.into(),
            port: SSH_PORT,
            key: self.key.clone()?,
            host_keys: self.host_keys().get(&address).cloned().unwrap_or_default(),
        })
    }

    /// Creates and starts a container outside of the guests' firewall: only the bridge's table
    /// fences it in. Its interface is ready for that firewall, which acts once the container's own
    /// is switched on.
    pub(super) async fn start(&self, node: &NodeName, address: Ipv4Addr) -> Result<Vmid, String> {
        let config = &self.proxmox.config;
        let client = &self.proxmox.client;
        let mut last = "every number is taken".to_owned();
        // From the end that leases reach last.
        for number in config.vmids.clone().rev().take(VMID_ATTEMPTS) {
            let Ok(vmid) = Vmid::try_from(u64::from(number)) else {
                continue;
            };
            self.made().push((node.clone(), vmid));
            self.host_keys().remove(&address);
            match client
                .create(node, &self.create_request(vmid, address))
                .await
            {
                Ok(upid) => {
                    self.wait_for(&upid).await?;
                    if self.key.is_some()
                        && let Some(keys) = host_keys::of_creation(client, &upid).await
                    {
                        self.host_keys().insert(address, keys);
                    }
                    let started = client.start(node, vmid).await;
                    self.wait_for(&started.map_err(|error| error.safe_text())?)
                        .await?;
                    return Ok(vmid);
                }
                Err(error) if error.refusal() == Some(&Refusal::VmidTaken) => {
                    // Only this entry: the number may be that of another container of ours.
                    self.made().pop();
                    last = error.safe_text();
                }
                Err(error) => return Err(error.safe_text()),
            }
        }
        Err(last)
    }

    fn create_request(&self, vmid: Vmid, address: Ipv4Addr) -> CreateContainer {
        let config = &self.proxmox.config;
        let rootfs = RootFs {
            storage: config.storage.clone(),
            size_gib: DISK_GIB,
        };
        let (bridge, subnet) = (config.bridge.clone(), config.network.subnet);
        let net0 = bridge.zip(subnet).map(|(bridge, subnet)| {
            let gateway = config.network.gateway.map(Into::into);
            Network {
                firewall: true,
                vlan: config.network.vlan,
                ..Network::fixed(bridge, address.into(), subnet.prefix_len(), gateway)
            }
        });
        CreateContainer {
            hostname: Some("infra402-probe".into()),
            memory_mb: MEMORY_MB,
            net0,
            nameservers: config.network.nameservers.clone(),
            ssh_public_keys: (self.key.as_ref())
                .map(|key| line_of_key(key, config.network.ssh_source)),
            pool: Some(config.pool.clone()),
            description: Some(self.marker.clone()),
            ..CreateContainer::new(vmid, self.template.clone(), rootfs)
        }
    }

    async fn wait_for(&self, upid: &Upid) -> Result<(), String> {
        let ended = self
            .proxmox
            .client
            .wait(upid, WaitOptions::within(STEP_TIMEOUT))
            .await;
        match ended {
            Ok(outcome) if outcome.is_success() => Ok(()),
            Ok(outcome) => Err(format!("{}: {outcome}", upid.kind)),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Runs a script in a container and gives its standard output.
    pub(super) async fn run_script(
        &self,
        node: &NodeName,
        vmid: Vmid,
        script: String,
    ) -> Result<String, String> {
        let request = ExecRequest::new(script);
        let outcome = self.proxmox.consoles.exec(node, vmid, request, None).await;
        match outcome {
            Ok(outcome) => Ok(String::from_utf8_lossy(&outcome.stdout).into_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Removes all containers of the probe.
    ///
    /// # Errors
    /// The VMIDs of containers that may be left, for the operator.
    pub(super) async fn remove(&self) -> Result<(), String> {
        let made = std::mem::take(&mut *self.made());
        let mut left = Vec::new();
        for (node, vmid) in made {
            if !self.remove_one(&node, vmid).await {
                left.push(format!("{vmid} on {node}"));
            }
        }
        if left.is_empty() {
            Ok(())
        } else {
            Err(left.join(", "))
        }
    }

    fn is_ours(&self, config: &ContainerConfig) -> bool {
        let marker = config.description.as_deref().unwrap_or_default();
        marker.contains(&self.marker)
    }

    /// Retries for a while, because a creation whose response was lost may still be at work.
    async fn remove_one(&self, node: &NodeName, vmid: Vmid) -> bool {
        let client = &self.proxmox.client;
        let deadline = Instant::now() + REMOVAL_TIMEOUT;
        let mut seen_free = 0;
        while Instant::now() < deadline {
            match client.config(node, vmid).await {
                Ok(config) if self.is_ours(&config) => {
                    let how = Destroy {
                        force: true,
                        purge: true,
                    };
                    if let Ok(upid) = client.destroy(node, vmid, how).await
                        && self.wait_for(&upid).await.is_ok()
                    {
                        return true;
                    }
                }
                // A container without the marker took the number.
                Ok(config) if config.lock.is_none() => return true,
                // Containers that are gone, and those that are not in the pool yet, may not be
                // read.
                Ok(_) | Err(_) => {
                    if client.next_id(Some(vmid)).await.is_ok() {
                        seen_free += 1;
                    }
                    if seen_free >= FREE_SIGHTINGS {
                        return true;
                    }
                }
            }
            sleep(REMOVAL_RETRY_INTERVAL).await;
        }
        false
    }
}
