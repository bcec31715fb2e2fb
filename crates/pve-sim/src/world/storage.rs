//! Storages and the templates on them.

use super::World;
use crate::refusal::Refusal;

/// A container template.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    pub(crate) size: u64,
    /// None named means all.
    pub(crate) nodes: Vec<String>,
}

/// A storage; every node that has one of that name sees its own, unless it is shared.
#[derive(Debug, Clone)]
pub(crate) struct Storage {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) content: Vec<String>,
    pub(crate) capacity: u64,
    /// Taken by something else than simulated containers.
    pub(crate) used_otherwise: u64,
    pub(crate) enabled: bool,
    pub(crate) active: bool,
    pub(crate) shared: bool,
    /// None named means all.
    pub(crate) nodes: Vec<String>,
    pub(crate) fails: bool,
}

impl Storage {
    /// Switched on, and meant for this node.
    pub(crate) fn is_enabled_on(&self, node: &str) -> bool {
        self.enabled && has(&self.nodes, node)
    }

    /// Proxmox's refusal where something is to be read from it or put onto it and that cannot be.
    pub(crate) fn usable(&self, node: &str) -> Result<(), Refusal> {
        let name = &self.name;
        if !self.enabled {
            return Err(Refusal::died(format!("storage '{name}' is disabled")));
        }
        if !has(&self.nodes, node) {
            let text = format!("storage '{name}' is not available on node '{node}'");
            return Err(Refusal::died(text));
        }
        if !self.active {
            return Err(Refusal::died(format!("storage '{name}' is not online")));
        }
        Ok(())
    }
}

impl World {
    pub(crate) fn storage(&self, name: &str) -> Option<&Storage> {
        self.storages.iter().find(|storage| storage.name == name)
    }

    /// Bytes in use on a storage of a node.
    pub(crate) fn storage_used(&self, storage: &Storage, node: &str) -> u64 {
        let containers: u64 = self
            .containers
            .values()
            .filter(|container| storage.shared || container.node == node)
            .filter_map(|container| container.disk.as_ref())
            .filter(|disk| disk.storage == storage.name)
            .map(|disk| disk.bytes)
            .sum();
        let templates: u64 = self
            .templates
            .iter()
            .filter(|(volid, _)| volid.split(':').next() == Some(&storage.name))
            .filter(|(_, template)| storage.shared || has(&template.nodes, node))
            .map(|(_, template)| template.size)
            .sum();
        storage.used_otherwise + containers + templates
    }

    /// The size of a template as a node sees it, `None` where it is not there.
    pub(crate) fn template_size(&self, volid: &str, node: &str) -> Result<Option<u64>, Refusal> {
        let name = volid.split(':').next().unwrap_or_default();
        let storage = self.storage(name);
        if let Some(storage) = storage {
            storage.usable(node)?;
        }
        let shared = storage.is_some_and(|storage| storage.shared);
        let template = self.templates.get(volid);
        let there = template.filter(|template| shared || has(&template.nodes, node));
        Ok(there.map(|template| template.size))
    }
}

/// Whether a thing is on a node: where none is named, it is on all.
pub(crate) fn has(nodes: &[String], node: &str) -> bool {
    nodes.is_empty() || nodes.iter().any(|one| one == node)
}
