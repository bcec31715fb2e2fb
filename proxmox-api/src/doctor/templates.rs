//! Whether the templates on offer are there, and on which nodes.

use std::collections::{BTreeMap, BTreeSet};

use pve::NodeName;

use super::{Finding, Severity, listed, setup};
use crate::proxmox::{
    Proxmox,
    templates::{Template, closest, file_of, named, offered},
};

const CHECK: &str = "proxmox.templates";

/// The templates of the nodes.
struct NodeTemplates {
    /// Templates by node.
    volumes: BTreeMap<NodeName, BTreeSet<String>>,
    findings: Vec<Finding>,
}

/// Examines every template on offer, on every node that takes containers.
pub(super) async fn examine(proxmox: &Proxmox, nodes: &[NodeName]) -> Vec<Finding> {
    let mut seen = NodeTemplates {
        volumes: BTreeMap::new(),
        findings: Vec::new(),
    };
    for node in nodes {
        seen.read_node(proxmox, node).await;
    }
    let mut findings = std::mem::take(&mut seen.findings);
    if seen.volumes.is_empty() {
        return findings;
    }
    let all = seen.volumes.values().flatten().cloned();
    let offer = if proxmox.config.templates.is_empty() {
        offered(all)
    } else {
        named(&proxmox.config.templates)
    };
    if offer.is_empty() {
        let names = listed(seen.volumes.keys().map(NodeName::as_str));
        let expected = format!("there is a template on {names}");
        let found = if seen.volumes.values().all(BTreeSet::is_empty) {
            "there is none that may be seen and used"
        } else {
            "there are only OCI archives and appliances, which are offered only where \
             PVE_OS_TEMPLATE names them"
        };
        let fetch = format!("pveam update && {}", setup::fetch_newest("local"));
        findings.push(Finding::error(CHECK, &expected, found).mend(fetch));
        return findings;
    }
    let index = match nodes.first() {
        Some(node) => index(proxmox, node).await,
        None => Vec::new(),
    };
    let is_named = !proxmox.config.templates.is_empty();
    let others = offered(seen.volumes.values().flatten().cloned());
    for template in &offer {
        findings.push(seen.on_nodes(template, is_named, &index, &others));
    }
    findings
}

/// The files that can be downloaded; none where the index cannot be read.
async fn index(proxmox: &Proxmox, node: &NodeName) -> Vec<String> {
    let index = proxmox.client.appliances(node).await.unwrap_or_default();
    index.into_iter().map(|one| one.template).collect()
}

impl NodeTemplates {
    /// Reads the storages of one node. A storage that cannot be read is a finding; the others
    /// count.
    async fn read_node(&mut self, proxmox: &Proxmox, node: &NodeName) {
        let storages = match proxmox.client.storages(node, Some("vztmpl")).await {
            Ok(storages) => storages,
            Err(error) => {
                let expected = format!("{node} lists its storages");
                let finding = Finding::unanswered(CHECK, &expected, &error);
                self.findings.push(finding);
                return;
            }
        };
        let volumes = self.volumes.entry(node.clone()).or_default();
        for storage in storages {
            let name = &storage.storage;
            let expected = format!("the templates of the storage {name} on {node} can be used");
            let warning = |found: String| {
                Finding::warning(CHECK, &expected, format!("{found}; they are not on offer"))
                    .mend(format!("pvesm status  # on {node} says why"))
                    .mend(format!(
                        "pvesm set {name} --disable 1  # where it is away for good"
                    ))
            };
            if !storage.is_usable() {
                self.findings.push(warning("it is not active".to_owned()));
                continue;
            }
            match proxmox.client.storage_content(node, name, "vztmpl").await {
                Ok(content) => volumes.extend(content.into_iter().map(|volume| volume.volid)),
                Err(error) => self.findings.push(warning(error.safe_text())),
            }
        }
    }

    fn on_nodes(
        &self,
        template: &Template,
        is_named: bool,
        index: &[String],
        others: &[Template],
    ) -> Finding {
        let volume = &template.volume;
        let (having, lacking): (Vec<_>, Vec<_>) = self
            .volumes
            .iter()
            .partition(|(_, volumes)| volumes.contains(volume));
        let names = |nodes: &[(&NodeName, &BTreeSet<String>)]| {
            listed(nodes.iter().map(|(node, _)| node.as_str()))
        };
        let expected = format!(
            "there is {volume} on {}",
            listed(self.volumes.keys().map(NodeName::as_str))
        );
        if lacking.is_empty() {
            return Finding::ok(CHECK, &expected, "it is there");
        }
        let on = names(&lacking);
        if !having.is_empty() {
            let found = format!(
                "{on} lacks it, so containers with it are made on {} only",
                names(&having)
            );
            let finding = Finding::new(CHECK, Severity::Warning, expected, found);
            return download(finding, volume, index, &on);
        }
        let found = if others.is_empty() {
            "there is no template that may be seen".to_owned()
        } else {
            let others = others.iter().map(|other| other.volume.as_str());
            format!("it is not there; there are: {}", listed(others))
        };
        let finding = download(Finding::error(CHECK, &expected, found), volume, index, &on);
        match others.first() {
            Some(other) if is_named => finding.mend(format!("PVE_OS_TEMPLATE={}", other.volume)),
            _ => finding,
        }
    }
}

/// The commands that fetch a template, or the one that took its place in the index.
fn download(finding: Finding, volume: &str, index: &[String], on: &str) -> Finding {
    let Some((storage, _)) = volume.split_once(":vztmpl/") else {
        return finding;
    };
    let file = file_of(volume);
    let index: Vec<&str> = index.iter().map(String::as_str).collect();
    if index.is_empty() || index.contains(&file) {
        return finding.mend(format!("pveam download {storage} {file}  # on {on}"));
    }
    match closest(file, &index) {
        Some(newer) => finding.mend(format!(
            "pveam download {storage} {newer}  # on {on}; {file} is not in the index (any more)"
        )),
        None => finding.mend(format!("pveam update && {}", setup::fetch_newest(storage))),
    }
}
