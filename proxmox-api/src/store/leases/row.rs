//! A lease's row: the claim, the stored lease, and how both are written and read. A new column that
//! a claim sets needs a line in [`Claim`], in [`Lease`], twice in [`cells_of`] (in the pattern and in
//! `cells!`), in [`COLUMNS`], in [`read_lease`], and in both examples.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use pve::{NodeName, Vmid};

use super::{
    super::{
        StoreError,
        sql::{Cell, Row, cells},
    },
    record::AddressPool,
};
use crate::{
    ids::{LeaseId, Minutes, PaymentId, Wallet},
    payment_machine::PaymentState,
    store::lease_state::LeaseState,
};

/// A lease to be claimed for a payment that is reserved.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Claim {
    pub lease_id: LeaseId,
    pub payment_id: PaymentId,
    pub node: NodeName,
    pub owner: Wallet,
    /// The client's network address, where it is known.
    pub client: Option<String>,
    pub sku: String,
    pub template: String,
    pub hostname: String,
    pub cores: u32,
    /// MiB.
    pub memory_mb: u32,
    /// GiB.
    pub disk_gb: u32,
    pub minutes: Minutes,
    /// The address pool, if containers get an address from one.
    pub addresses: Option<AddressPool>,
    /// Our VMIDs.
    pub vmids: RangeInclusive<u32>,
    /// VMIDs that Proxmox reports as used.
    pub busy: HashSet<Vmid>,
}

/// What the store adds to a claim.
pub(in crate::store) struct Given {
    pub(in crate::store) vmid: Vmid,
    pub(in crate::store) address: Option<String>,
    pub(in crate::store) now: i64,
}

/// A lease as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Lease {
    pub lease_id: LeaseId,
    pub vmid: Vmid,
    pub node: NodeName,
    pub owner: Wallet,
    pub state: LeaseState,
    /// The state of the payment that it was claimed for, until it is paid for or over.
    pub payment: Option<PaymentState>,
    pub sku: String,
    pub template: String,
    pub hostname: String,
    pub cores: u32,
    pub memory_mb: u32,
    pub disk_gb: u32,
    pub minutes: Minutes,
    pub ip: Option<String>,
    pub expires_at: Option<i64>,
    pub destroy_at: Option<i64>,
    pub payment_id: PaymentId,
    pub created_at: i64,
    /// The client's network address, until the lease is paid for.
    pub client: Option<String>,
    /// The address of ours that its container was given; `None` where it asks a DHCP server.
    pub address: Option<String>,
    /// From when its network can be used, Unix seconds, where that was not from the start.
    pub network_ready_at: Option<i64>,
    /// Whether the service's SSH key was laid into its container.
    pub has_ssh_key: bool,
    /// The fingerprints of its SSH host keys, as `guest::HostKeys` writes them, where known.
    pub host_keys: Option<String>,
}

/// The row of a claim. The pattern names every field, so that none is left out here.
pub(in crate::store) fn cells_of<'a>(claim: &'a Claim, given: &'a Given) -> Vec<Cell<'a>> {
    let Claim {
        lease_id,
        payment_id,
        node,
        owner,
        client,
        sku,
        template,
        hostname,
        cores,
        memory_mb,
        disk_gb,
        minutes,
        addresses: _,
        vmids: _,
        busy: _,
    } = claim;
    cells! {
        "lease_id": *lease_id,
        "payment_id": *payment_id,
        "vmid": given.vmid,
        "node": *node,
        "owner": *owner,
        "client": *client,
        "state": LeaseState::Provisioning,
        "sku": *sku,
        "template": *template,
        "hostname": *hostname,
        "cores": *cores,
        "memory_mb": *memory_mb,
        "disk_gb": *disk_gb,
        "minutes": *minutes,
        "address": given.address,
        "ip": given.address,
        "created_at": given.now,
        "updated_at": given.now,
    }
    .into()
}

pub(in crate::store) const COLUMNS: &str = "lease_id, vmid, node, owner, state, sku, hostname, cores, memory_mb, disk_gb, minutes, ip, expires_at,
    destroy_at, payment_id, created_at, template, client, address, network_ready_at, ssh_key, host_keys,
    CASE WHEN state IN ('provisioning', 'create_sent', 'created', 'probed', 'undoing') THEN
        (SELECT payments.state FROM payments WHERE payments.payment_id = leases.payment_id) END
        AS payment_state";

pub(in crate::store) fn read_lease(row: &Row<'_>) -> Result<Lease, StoreError> {
    Ok(Lease {
        lease_id: row.get("lease_id")?,
        vmid: row.get("vmid")?,
        node: row.get("node")?,
        owner: row.get("owner")?,
        state: row.get("state")?,
        payment: row.get("payment_state")?,
        sku: row.get("sku")?,
        hostname: row.get("hostname")?,
        cores: row.get("cores")?,
        memory_mb: row.get("memory_mb")?,
        disk_gb: row.get("disk_gb")?,
        minutes: row.get("minutes")?,
        ip: row.get("ip")?,
        expires_at: row.get("expires_at")?,
        destroy_at: row.get("destroy_at")?,
        payment_id: row.get("payment_id")?,
        created_at: row.get("created_at")?,
        template: row.get("template")?,
        client: row.get("client")?,
        address: row.get("address")?,
        network_ready_at: row.get("network_ready_at")?,
        has_ssh_key: row.get::<i64>("ssh_key")? != 0,
        host_keys: row.get("host_keys")?,
    })
}

impl Lease {
    /// A lease whose paid hour has just begun at `now`, Unix seconds: the one that the API's
    /// document shows.
    pub fn example(now: i64) -> Self {
        Self {
            lease_id: "lease_5b0c9e1f7a32".into(),
            vmid: Vmid::try_from(40_200_u32).expect("a guest's number"),
            node: NodeName::new("pve").expect("a DNS label"),
            owner: Wallet::EXAMPLE.parse().expect("an address"),
            state: LeaseState::Active,
            payment: None,
            sku: "lxc-small".into(),
            template: "debian-12-standard".into(),
            hostname: "box".into(),
            cores: 1,
            memory_mb: 512,
            disk_gb: 8,
            minutes: Minutes(60),
            ip: Some("10.0.0.5".into()),
            expires_at: Some(now + 3600),
            destroy_at: Some(now + 90_000),
            payment_id: "pay_3f9a6c2e81b04d7755aa".into(),
            created_at: now,
            client: None,
            address: None,
            network_ready_at: None,
            has_ssh_key: false,
            host_keys: None,
        }
    }
}

#[cfg(test)]
impl Claim {
    /// The claim of the example.
    pub(in crate::store) fn example() -> Self {
        let lease = Lease::example(0);
        Self {
            lease_id: lease.lease_id,
            payment_id: lease.payment_id,
            node: lease.node,
            owner: lease.owner,
            client: None,
            sku: lease.sku,
            template: lease.template,
            hostname: lease.hostname,
            cores: lease.cores,
            memory_mb: lease.memory_mb,
            disk_gb: lease.disk_gb,
            minutes: lease.minutes,
            addresses: None,
            vmids: 500..=531,
            busy: HashSet::new(),
        }
    }
}
