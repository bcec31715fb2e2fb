//! The root disk of a new container: `STORAGE:GiB`, a bare number with `storage` beside it,
//! or nothing, which means 4 GiB.

use crate::response::ErrorResponse;
use crate::schema::{Params, property};
use crate::world::World;

/// A root disk to create.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RootDisk {
    pub(super) storage: String,
    pub(super) bytes: u64,
    /// Options of the volume, such as `acl=1`, each with a leading comma.
    extra: String,
}

const GIB: f64 = (1u64 << 30) as f64;

impl RootDisk {
    /// The root disk that the parameters request.
    pub(super) fn wanted(params: &Params) -> Result<Self, ErrorResponse> {
        let default = params.text("storage").unwrap_or("local");
        let Some(text) = params.text("rootfs") else {
            return Ok(Self {
                storage: default.to_owned(),
                bytes: 4 << 30,
                extra: String::new(),
            });
        };
        let pairs = property::pairs(text);
        let volume = pairs
            .get("")
            .or_else(|| pairs.get("volume"))
            .copied()
            .unwrap_or_default();
        let (storage, size) = volume.split_once(':').unwrap_or((default, volume));
        let size: f64 = Some(size)
            .filter(|size| size.starts_with(|c: char| c.is_ascii_digit()))
            .and_then(|size| size.parse().ok())
            .ok_or_else(|| {
                ErrorResponse::died(format!(
                    "unable to use existing volume '{volume}' as root disk"
                ))
            })?;
        let extra = pairs
            .iter()
            .filter(|(key, _)| !matches!(**key, "" | "volume" | "size"))
            .map(|(key, value)| format!(",{key}={value}"))
            .collect();
        Ok(Self {
            storage: storage.to_owned(),
            bytes: (size * GIB) as u64,
            extra,
        })
    }

    /// Storage exists on the node, takes root disks, and the account may put one there.
    pub(super) fn check(
        &self,
        world: &World,
        authid: &str,
        node: &str,
    ) -> Result<(), ErrorResponse> {
        let name = &self.storage;
        let storage = world
            .storage(name)
            .ok_or_else(|| ErrorResponse::died(format!("storage '{name}' does not exist")))?;
        if !storage.content.iter().any(|kind| kind == "rootdir") {
            return Err(ErrorResponse::parameter(
                "storage",
                format!("storage '{name}' does not support container directories"),
            ));
        }
        let path = format!("/storage/{name}");
        world
            .access
            .check(authid, &path, &["Datastore.AllocateSpace"])?;
        storage.usable(node)
    }

    /// Whether there is room for it.
    pub(super) fn fits(&self, world: &World, node: &str) -> bool {
        world.storage(&self.storage).is_some_and(|storage| {
            world.storage_used(storage, node) + self.bytes <= storage.capacity
        })
    }

    /// As the configuration shows it.
    pub(super) fn volume(&self, world: &World, vmid: u32) -> String {
        let directory = world
            .storage(&self.storage)
            .is_some_and(|storage| storage.kind == "dir");
        let name = if directory {
            format!("{vmid}/vm-{vmid}-disk-0.raw")
        } else {
            format!("vm-{vmid}-disk-0")
        };
        let size = if self.bytes.is_multiple_of(1 << 30) {
            format!("{}G", self.bytes >> 30)
        } else {
            format!("{}M", self.bytes >> 20)
        };
        format!("{}:{name}{},size={size}", self.storage, self.extra)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wanted(pairs: &[(&str, &str)]) -> Result<RootDisk, ErrorResponse> {
        let params = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)));
        RootDisk::wanted(&Params(params.collect()))
    }

    #[test]
    fn a_disk_is_asked_for_in_three_ways() {
        let full = wanted(&[("rootfs", "local-lvm:8,acl=1")]).unwrap();
        assert_eq!((&*full.storage, full.bytes), ("local-lvm", 8 << 30));
        let bare = wanted(&[("rootfs", "0.5"), ("storage", "fast")]).unwrap();
        assert_eq!((&*bare.storage, bare.bytes), ("fast", 512 << 20));
        let none = wanted(&[]).unwrap();
        assert_eq!((&*none.storage, none.bytes), ("local", 4 << 30));
        assert!(wanted(&[("rootfs", "local-lvm:vm-100-disk-0")]).is_err());
    }
}
