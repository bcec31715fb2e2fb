//! What the page knows of a paid operation before its price is requested: the container's name, and
//! the lines of the price.

use api_types::Size;
use leptos::prelude::*;

use crate::{
    pay::{PaidOperation, PurchaseItem},
    state::{lease::board::Board, services::Services},
};

/// Describes an operation by what the page knows of it.
pub(crate) fn describe(operation: PaidOperation, board: Board, services: Services) -> PurchaseItem {
    let lease = board.leases().with_untracked(|leases| {
        let ctid = operation.ctid()?;
        let mut all = leases.as_ref()?.iter();
        all.find(|lease| lease.ctid == ctid).cloned()
    });
    let size = lease.as_ref().map(|lease| Size {
        cores: lease.cores,
        memory_mb: lease.memory_mb,
        disk_gb: lease.disk_gb,
    });
    let price = services.catalog().with_untracked(|catalog| {
        let rates = &catalog.as_ref()?.rates;
        operation.price(rates, size)
    });
    PurchaseItem {
        operation,
        name: lease.map(|lease| lease.hostname),
        price,
    }
}
