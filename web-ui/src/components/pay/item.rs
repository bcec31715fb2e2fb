//! What the page knows of a call before its price is asked: the container's name, and the lines of the price.

use api_types::Size;
use leptos::prelude::*;

use crate::{
    pay::{Call, Item},
    state::{board::Board, services::Services},
};

/// A call with what the page knows of it.
pub fn item(call: Call, board: Board, services: Services) -> Item {
    let lease = board.leases().with_untracked(|leases| {
        let ctid = call.ctid()?;
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
        call.price(rates, size)
    });
    Item {
        call,
        name: lease.map(|lease| lease.hostname),
        price,
    }
}
