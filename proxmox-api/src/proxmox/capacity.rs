//! How many more containers there is room for, as far as Proxmox tells.

use std::time::{Duration, Instant};

use api_types::Size;
use pve::{NodeState, Storage};

use super::Proxmox;

/// How long an estimate is good: every visitor of the catalogue sees it.
const CAPACITY_FRESH: Duration = Duration::from_secs(15);

impl Proxmox {
    /// Containers of this size that fit in by memory and disk; `None` where the account may not see how full the nodes are.
    ///
    /// # Errors
    /// Proxmox did not answer.
    pub async fn room(&self, size: Size) -> Result<Option<u32>, pve::Error> {
        let mut kept = self.room.lock().await;
        if let Some((read, room)) = &*kept
            && read.elapsed() < CAPACITY_FRESH
        {
            return Ok(*room);
        }
        let room = self.count_room(size).await?;
        *kept = Some((Instant::now(), room));
        Ok(room)
    }

    async fn count_room(&self, size: Size) -> Result<Option<u32>, pve::Error> {
        let (mut total, mut shared) = (0_u64, None);
        for node in self.nodes().await? {
            if node.status != NodeState::Online {
                continue;
            }
            let (Some(all), Some(used)) = (node.maxmem, node.mem) else {
                return Ok(None);
            };
            let by_memory = fit(all.saturating_sub(used), size.memory_mb, 20);
            let storages = self.client.storages(&node.node, Some("rootdir")).await?;
            let storage = storages
                .into_iter()
                .find(|storage| storage.storage == self.config.storage);
            total += match storage {
                Some(Storage {
                    avail: Some(free),
                    shared: true,
                    ..
                }) => {
                    // All nodes fill the same one.
                    shared = Some(fit(free, size.disk_gb, 30));
                    by_memory
                }
                Some(Storage {
                    avail: Some(free), ..
                }) => by_memory.min(fit(free, size.disk_gb, 30)),
                Some(_) => by_memory,
                None => 0,
            };
        }
        let vmids = u64::from(self.config.vmids.end() - self.config.vmids.start()) + 1;
        let room = total.min(shared.unwrap_or(u64::MAX)).min(vmids);
        Ok(Some(u32::try_from(room).unwrap_or(u32::MAX)))
    }
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
