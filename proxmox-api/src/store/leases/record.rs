//! Limits and outcomes of claims and renewals.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;

use ipnet::IpNet;
use pve::Vmid;

use crate::{
    ids::{LeaseId, Minutes, PaymentId},
    store::lease_state::LeaseState,
};

/// The addresses that containers may get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressPool {
    /// The first and the last one.
    pub range: RangeInclusive<Ipv4Addr>,
    /// Addresses in between that are not ours: the router, name servers, and this service as
    /// containers see it.
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

/// Limits on leases and payments that are not paid yet.
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
    /// Leases not yet paid for, of all customers.
    pub unpaid: u32,
}

/// The outcome of a claim.
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
    /// Too much of the payer's money is reserved.
    TooMuchReserved,
    /// Too many leases that were asked for from this address are being made.
    InFlightOfClient,
    /// Too many leases of all customers are not paid for yet.
    TooManyUnpaid,
    /// Earlier containers of this wallet or address were not paid for.
    Blocked {
        /// Until when no container is made, Unix seconds.
        until: i64,
    },
    /// Every VMID of the range is taken.
    NoVmid,
    /// Every address is taken, or was freed less than an hour ago.
    NoAddress,
    /// The payment is no longer reserved, or its earlier container is not removed yet.
    PaymentMoved,
}

/// A paid extension.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Renewal {
    pub lease_id: LeaseId,
    pub payment_id: PaymentId,
    pub minutes: Minutes,
    /// The longest time between expiry and destruction.
    pub grace_seconds: i64,
}

/// The outcome of a renewal.
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
    /// There is no such lease, or it cannot be renewed any more.
    NotRenewable,
}
