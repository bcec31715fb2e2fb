//! Tells the operator when the fence around containers that run goes away, and when it is back. Sales
//! stop by themselves; what was sold runs on.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use futures_util::future::join_all;
use pve::NodeName;
use serde_json::json;

use super::fence::{self, Fence, Gap};
use crate::state::App;

/// The nodes whose containers are fenced in by nothing, as of the last look.
#[derive(Default)]
pub struct OpenNodes(Mutex<HashSet<NodeName>>);

impl OpenNodes {
    /// Notes what was seen of a node; true where that is new.
    fn see(&self, node: &NodeName, is_open: bool) -> bool {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match is_open {
            true => open.insert(node.clone()),
            false => open.remove(node),
        }
    }

    /// How many they are.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// Looks at the nodes that have leased containers with addresses of ours.
pub(super) async fn look(app: &App, nodes: &HashSet<NodeName>) {
    if app.proxmox.config.network.subnet.is_none() {
        return;
    }
    // Side by side: one node that does not answer holds up no other.
    let looks = nodes
        .iter()
        .map(async |node| (node, fence::of_node(app, node).await));
    for (node, fence) in join_all(looks).await {
        // What cannot be seen now is looked at again in a minute.
        let Ok(fence) = fence else {
            continue;
        };
        let gap = match fence {
            Fence::Open(gap) if gap != Gap::NoNetwork => Some(gap),
            _ => None,
        };
        if !app.open_nodes.see(node, gap.is_some()) {
            continue;
        }
        match gap {
            Some(gap) => {
                tracing::error!(%node, mend = gap.mend(), "containers that run are no longer fenced in");
                let data = json!({ "gap": format!("{gap:?}") });
                app.record_event(node.as_str(), "fence_open", data).await;
            }
            None => {
                tracing::info!(%node, "containers are fenced in again");
                app.record_event(node.as_str(), "fence_closed", json!({}))
                    .await;
            }
        }
    }
    metrics::gauge!("nodes_unfenced").set(app.open_nodes.count() as f64);
}
