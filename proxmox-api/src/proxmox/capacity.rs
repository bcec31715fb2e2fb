//! How many more containers fit, as far as Proxmox shows memory and disks.

use api_types::Size;

use super::Proxmox;
use super::sites::{NodeSite, RootStorage};

impl Proxmox {
    /// Containers of this size that can be made from this template, by memory and disk of the nodes
    /// that are online and have the template and the storage for disks; `None` where the account
    /// may not see how full the nodes are.
    ///
    /// # Errors
    /// Proxmox did not answer.
    pub async fn room(&self, size: Size, template: &str) -> Result<Option<u32>, pve::Error> {
        let sites = self.sites().await?;
        let vmids = u64::from(self.config.vmids.end() - self.config.vmids.start()) + 1;
        let equipped = self.equipped(&sites, template);
        let room = count(equipped, &self.config.storage, size);
        Ok(room.map(|room| u32::try_from(room.min(vmids)).unwrap_or(u32::MAX)))
    }
}

fn count<'a>(
    equipped: impl Iterator<Item = &'a NodeSite>,
    storage: &str,
    size: Size,
) -> Option<u64> {
    let (mut total, mut in_shared) = (0_u64, None);
    for site in equipped {
        let by_memory = {
            let (all, used) = (site.node.maxmem?, site.node.mem?);
            fit(all.saturating_sub(used), size.memory_mb, 20)
        };
        total += match site.root(storage) {
            // All nodes fill the same one.
            RootStorage::Usable { free, shared: true } => {
                in_shared = free.map(|free| fit(free, size.disk_gb, 30)).or(in_shared);
                by_memory
            }
            RootStorage::Usable {
                free: Some(free), ..
            } => by_memory.min(fit(free, size.disk_gb, 30)),
            RootStorage::Usable { free: None, .. } => by_memory,
            RootStorage::Unusable | RootStorage::Unknown => 0,
        };
    }
    Some(total.min(in_shared.unwrap_or(u64::MAX)))
}

/// How often so many units of two to the power of `shift` bytes fit into `free` bytes.
fn fit(free: u64, units: u32, shift: u32) -> u64 {
    free.checked_div(u64::from(units) << shift).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_containers_count() {
        assert_eq!(fit(1 << 30, 512, 20), 2);
        assert_eq!(fit((1 << 30) - 1, 512, 20), 1);
        assert_eq!(fit(100 << 30, 8, 30), 12);
        assert_eq!(fit(1, 0, 20), 0);
    }
}
