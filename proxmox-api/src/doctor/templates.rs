//! Whether the templates on offer are there.

use pve::NodeName;

use super::{Finding, listed};
use crate::proxmox::Proxmox;

const CHECK: &str = "proxmox.templates";
const DOWNLOAD: &str =
    "pveam update && pveam available --section system  # then: pveam download local <name>";

/// Looks at every template that is named, or whether there is any.
pub(super) async fn examine(proxmox: &Proxmox, node: &NodeName) -> Vec<Finding> {
    let there = match volumes(proxmox, node).await {
        Ok(there) => there,
        Err(error) => {
            return vec![Finding::unanswered(
                CHECK,
                "Proxmox lists its templates",
                &error,
            )];
        }
    };
    let named = &proxmox.config.templates;
    if named.is_empty() {
        let expected = format!("there is a template on {node}");
        return vec![if there.is_empty() {
            Finding::error(CHECK, &expected, "there is none that may be seen").mend(DOWNLOAD)
        } else {
            Finding::ok(CHECK, &expected, listed(there.iter().map(String::as_str)))
        }];
    }
    named
        .iter()
        .map(|volume| {
            let expected = format!("there is {volume} on {node}");
            if there.contains(volume) {
                return Finding::ok(CHECK, &expected, "it is there");
            }
            let found = if there.is_empty() {
                "there is no template that may be seen".to_owned()
            } else {
                format!(
                    "it is not there; there are: {}",
                    listed(there.iter().map(String::as_str))
                )
            };
            let finding = Finding::error(CHECK, &expected, found).mend(download(volume));
            match there.first() {
                Some(other) => finding.mend(format!("PVE_OS_TEMPLATE={other}")),
                None => finding,
            }
        })
        .collect()
}

async fn volumes(proxmox: &Proxmox, node: &NodeName) -> Result<Vec<String>, pve::Error> {
    let client = &proxmox.client;
    let mut volumes = Vec::new();
    for storage in client.storages(node, Some("vztmpl")).await? {
        let content = client
            .storage_content(node, &storage.storage, "vztmpl")
            .await?;
        volumes.extend(content.into_iter().map(|volume| volume.volid));
    }
    Ok(volumes)
}

fn download(volume: &str) -> String {
    match volume.split_once(":vztmpl/") {
        Some((storage, file)) => format!("pveam download {storage} {file}"),
        None => DOWNLOAD.to_owned(),
    }
}
