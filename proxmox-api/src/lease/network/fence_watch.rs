//! Tells the operator when the fence around running containers is gone, and when it is back. New
//! leases are refused meanwhile; those that were sold run on.

use std::collections::HashSet;

use futures_util::future::join_all;
use pve::NodeName;
use serde_json::json;

use super::fence;
use crate::{
    memory::fences::{Fence, FenceGap},
    state::App,
};

/// Looks at the nodes that have leased containers with addresses of ours.
pub(crate) async fn check_fences(app: &App, nodes: &HashSet<NodeName>) {
    if app.proxmox.config.network.subnet.is_none() {
        return;
    }
    // Side by side: one node that does not answer holds up no other.
    let looks = nodes
        .iter()
        .map(async |node| (node, fence::read_fence(app, node).await));
    for (node, fence) in join_all(looks).await {
        // What cannot be seen now is looked at again in a minute.
        let Ok(fence) = fence else {
            continue;
        };
        let gap = match fence {
            Fence::Open(gap) if gap != FenceGap::NoNetwork => Some(gap),
            _ => None,
        };
        if !app.unfenced_nodes.see(node, gap.is_some()) {
            continue;
        }
        match gap {
            Some(gap) => {
                tracing::error!(%node, mend = gap.mend(), "the fence around running containers is gone");
                let data = json!({ "gap": format!("{gap:?}") });
                app.record_event(node.as_str(), "fence_open", data).await;
            }
            None => {
                tracing::info!(%node, "the fence around running containers is back");
                app.record_event(node.as_str(), "fence_closed", json!({}))
                    .await;
            }
        }
    }
    metrics::gauge!("nodes_unfenced").set(app.unfenced_nodes.count() as f64);
}
