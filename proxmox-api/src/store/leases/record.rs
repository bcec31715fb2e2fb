//! A lease as it is claimed, kept and renewed.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;

use ipnet::IpNet;
use pve::{NodeName, Vmid};

use super::super::{StoreError, db::Row};
use crate::{
    ids::{LeaseId, PaymentId, Wallet},
    lease::LeaseState,
    payment::PaymentState,
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
    pub minutes: u32,
    /// Addresses of ours, where containers get one of them.
    pub addresses: Option<AddressPool>,
    /// Our VMIDs.
    pub vmids: RangeInclusive<u32>,
    /// VMIDs that Proxmox reports as used, by whomever.
    pub busy: HashSet<Vmid>,
}

/// The addresses that containers may get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressPool {
    /// The first and the last one.
    pub range: RangeInclusive<Ipv4Addr>,
    /// Those of others in it: the router, name servers, and from where containers see this service.
    pub others: Vec<IpNet>,
}

impl AddressPool {
    /// The addresses that a container may get, lowest first.
    pub fn addresses(&self) -> impl DoubleEndedIterator<Item = Ipv4Addr> + '_ {
        let range = self.range.start().to_bits()..=self.range.end().to_bits();
        range.map(Ipv4Addr::from_bits).filter(|address| {
            let address = IpAddr::V4(*address);
            !self.others.iter().any(|others| others.contains(&address))
        })
    }
}

/// Bounds on what is not paid yet.
#[derive(Debug, Clone, Copy)]
pub struct ClaimLimits {
    /// Leases not yet paid for.
    pub in_flight: u32,
    /// Leases not yet destroyed.
    pub per_wallet: u32,
    /// Sum of payments not yet settled, this one included, in atomic units.
    pub reserved: u64,
    /// Leases not yet paid for that were asked for from one address.
    pub per_client: u32,
    /// Leases not yet paid for, of everybody.
    pub unpaid: u32,
}

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimOutcome {
    /// The lease is `provisioning` and its payment `verified`.
    Claimed {
        /// The VMID, taken until the lease is destroyed.
        vmid: Vmid,
    },
    /// Too many leases of this payer are being made.
    InFlight,
    /// The payer has as many leases as are allowed.
    TooMany,
    /// Too much of the payer's money is waiting.
    TooMuchReserved,
    /// Too many leases that were asked for from this address are being made.
    InFlightOfClient,
    /// Too many leases of everybody are not paid for yet.
    TooManyUnpaid,
    /// Machines of this wallet, or for this address, were not paid for.
    Blocked {
        /// Until when none is made, Unix seconds.
        until: i64,
    },
    /// Every VMID of the range is taken.
    NoVmid,
    /// Every address is taken, or was freed less than an hour ago.
    NoAddress,
    /// The payment is no longer reserved or verified.
    PaymentMoved,
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
    /// The state of the payment that it was claimed for.
    pub payment: PaymentState,
    pub sku: String,
    pub template: String,
    pub hostname: String,
    pub cores: u32,
    pub memory_mb: u32,
    pub disk_gb: u32,
    pub minutes: u32,
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
}

/// What a deadline asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DueAction {
    /// Tell the owner that the end is near.
    Warn,
    /// Shut down.
    Stop,
    /// Remove.
    Destroy,
}

/// A lease whose deadline has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The lease.
    pub lease: Lease,
    /// What is to be done.
    pub action: DueAction,
}

/// A paid extension.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Renewal {
    pub lease_id: LeaseId,
    pub payment_id: PaymentId,
    pub minutes: u32,
    /// The longest time between expiry and destruction.
    pub grace_seconds: i64,
}

/// What became of a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenewalOutcome {
    /// Extended, now or earlier by the same payment.
    Renewed {
        /// New end, Unix seconds.
        expires_at: i64,
        /// The state before: a container that was not `Active` has to be started.
        was: LeaseState,
        /// The state now, which after an earlier renewal may be any.
        state: LeaseState,
    },
    /// There is no such lease, or it is past saving.
    NotRenewable,
}

pub(super) const COLUMNS: &str = "lease_id, vmid, node, owner, state, sku, hostname, cores, memory_mb, disk_gb, minutes, ip, expires_at,
    destroy_at, payment_id, created_at, template, client, address, network_ready_at,
    (SELECT payments.state FROM payments WHERE payments.payment_id = leases.payment_id)
        AS payment_state";

pub(super) fn read_lease(row: &Row<'_>) -> Result<Lease, StoreError> {
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
    })
}
