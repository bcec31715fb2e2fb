//! Whether the pool exists, and whether VMIDs for containers are left.

use pve::{PoolMember, Refusal};

use super::{Finding, setup};
use crate::proxmox::Proxmox;

const POOL: &str = "proxmox.pool";
const VMIDS: &str = "proxmox.vmids";
/// The number of free VMIDs below which doctor warns.
const FEW: u32 = 10;

/// The findings, and the members of the pool.
pub(super) async fn examine(proxmox: &Proxmox) -> (Vec<Finding>, Vec<PoolMember>) {
    let name = &proxmox.config.pool;
    let expected = format!("there is a pool {name}");
    match proxmox.client.pool(name).await {
        Ok(pool) => {
            let found = format!("it is there; containers in it: {}", pool.members.len());
            let mut findings = vec![Finding::ok(POOL, &expected, found)];
            findings.push(vmids(proxmox, &pool.members).await);
            (findings, pool.members)
        }
        // A missing pool looks like a hidden one; the rights are examined by themselves.
        Err(error) => {
            let finding = Finding::unanswered(POOL, &expected, &error);
            let finding = match error.refusal() {
                Some(Refusal::Forbidden { .. } | Refusal::Other | Refusal::Validation) => {
                    finding.mend(setup::pools(name).join("; "))
                }
                _ => finding,
            };
            (vec![finding], Vec::new())
        }
    }
}

async fn vmids(proxmox: &Proxmox, members: &[PoolMember]) -> Finding {
    let range = &proxmox.config.vmids;
    let (low, high) = (*range.start(), *range.end());
    let expected = format!("numbers from {low} to {high} are left for containers");
    let ours = members.iter().filter_map(|member| member.vmid);
    let ours: Vec<u32> = ours.map(|vmid| vmid.get()).collect();
    // Other guests are shown only to accounts with more rights than needed. Their VMIDs are skipped
    // at creation.
    let guests = proxmox.client.resources().await.unwrap_or_default();
    let foreign: Vec<String> = guests
        .iter()
        .map(|guest| guest.vmid.get())
        .filter(|vmid| range.contains(vmid) && !ours.contains(vmid))
        .map(|vmid| vmid.to_string())
        .collect();
    let taken = ours.iter().filter(|vmid| range.contains(vmid)).count() + foreign.len();
    let left = (high - low + 1).saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX));
    let wider = format!(
        "PVE_VMID_RANGE={low}-{}",
        high.saturating_add(10_000).min(999_999_999)
    );
    if left == 0 {
        return Finding::error(VMIDS, &expected, "none is").mend(wider);
    }
    if left < FEW {
        return Finding::warning(VMIDS, &expected, format!("{left} are")).mend(wider);
    }
    if !foreign.is_empty() {
        let shown = foreign.iter().take(5).map(String::as_str);
        let found = format!(
            "{left} are; guests of others have numbers in between: {}",
            super::listed(shown)
        );
        return Finding::warning(VMIDS, &expected, found)
            .mend("PVE_VMID_RANGE=LOW-HIGH  # a range that nobody else uses");
    }
    Finding::ok(VMIDS, &expected, format!("{left} are"))
}
