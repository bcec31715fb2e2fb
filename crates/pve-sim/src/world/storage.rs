//! Storages and the templates on them.

use super::World;
use crate::response::ErrorResponse;

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
    /// Bytes used by anything but simulated containers.
    pub(crate) used_otherwise: u64,
    pub(crate) enabled: bool,
    pub(crate) active: bool,
    pub(crate) shared: bool,
    /// None named means all.
    pub(crate) nodes: Vec<String>,
    pub(crate) fails: bool,
}

impl Storage {
    /// Whether it is enabled and available on this node.
    pub(crate) fn is_enabled_on(&self, node: &str) -> bool {
        self.enabled && is_on_node(&self.nodes, node)
    }

    /// Proxmox's error if the storage cannot be read or written on this node.
    pub(crate) fn usable(&self, node: &str) -> Result<(), ErrorResponse> {
        let name = &self.name;
        if !self.enabled {
            return Err(ErrorResponse::died(format!("storage '{name}' is disabled")));
        }
        if !is_on_node(&self.nodes, node) {
            let text = format!("storage '{name}' is not available on node '{node}'");
            return Err(ErrorResponse::died(text));
        }
        if !self.active {
            return Err(ErrorResponse::died(format!(
                "storage '{name}' is not online"
            )));
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
            .filter(|(_, template)| storage.shared || is_on_node(&template.nodes, node))
            .map(|(_, template)| template.size)
            .sum();
        storage.used_otherwise + containers + templates
    }

    /// The size of a template as a node sees it, `None` where it is not there.
    pub(crate) fn template_size(
        &self,
        volid: &str,
        node: &str,
    ) -> Result<Option<u64>, ErrorResponse> {
        let name = volid.split(':').next().unwrap_or_default();
        let storage = self.storage(name);
        if let Some(storage) = storage {
            storage.usable(node)?;
        }
        let shared = storage.is_some_and(|storage| storage.shared);
        let template = self.templates.get(volid);
        let there = template.filter(|template| shared || is_on_node(&template.nodes, node));
        Ok(there.map(|template| template.size))
    }
}

/// Whether a list of nodes includes a node; an empty list means all nodes.
pub(crate) fn is_on_node(nodes: &[String], node: &str) -> bool {
    nodes.is_empty() || nodes.iter().any(|one| one == node)
}
