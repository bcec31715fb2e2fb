//! `GET /stats/node`, `GET /stats/lxc`: the load of nodes and containers. The numbers of leases are
//! public; the figures of a container are shown to its owner only.

use api_types::{ContainerStats, LxcStats, NodeStats, NodeUsage};
use axum::{Extension, Router, extract::State, http::HeaderMap, response::Response, routing::get};
use pve::{Node, NodeState};
use service::request_id::RequestId;

use super::private;
use crate::{
    App, error::ApiError, ids::Wallet, lease::view::counts, proxmox::ContainerUsage, sessions,
    store::Lease,
};

/// The routes.
pub fn router() -> Router<App> {
    Router::new()
        .route("/stats/node", get(nodes))
        .route("/stats/lxc", get(containers))
}

async fn nodes(State(app): State<App>, Extension(id): Extension<RequestId>) -> Response {
    let nodes = app.proxmox.nodes().await.map_err(ApiError::from);
    private(
        &id,
        nodes.map(|nodes| NodeStats {
            nodes: nodes.iter().map(of_node).collect(),
        }),
    )
}

/// Proxmox gives the figures of a node only to those with `Sys.Audit` on it, and of one that is
/// online.
fn of_node(node: &Node) -> NodeUsage {
    NodeUsage {
        node: node.node.as_str().to_owned(),
        online: node.status == NodeState::Online,
        cpu: node.cpu,
        cores: node.maxcpu.and_then(|cores| u32::try_from(cores).ok()),
        memory_used: node.mem,
        memory_total: node.maxmem,
        disk_used: node.disk,
        disk_total: node.maxdisk,
        uptime_seconds: node.uptime,
    }
}

async fn containers(
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    headers: HeaderMap,
) -> Response {
    let wallet = sessions::wallet_of(&app, &headers).await;
    private(&id, of_leases(&app, wallet.as_ref()).await)
}

async fn of_leases(app: &App, wallet: Option<&Wallet>) -> Result<LxcStats, ApiError> {
    let counts = counts::count(app).await?;
    let own = match wallet {
        Some(wallet) => app.store.live_leases_of(wallet).await?,
        None => Vec::new(),
    };
    let is_own = |lease: &Lease| {
        // A container that is still being made may never be leased.
        lease.state.is_renewable() && !app.alarms.may_be_another(&lease.lease_id)
    };
    let own = own.iter().map(|known| &known.lease);
    Ok(LxcStats {
        total: counts.total,
        running: counts.running,
        containers: own
            .filter(|lease| is_own(lease))
            .filter_map(|lease| Some(of_container(lease, counts.usage.of(lease.vmid)?)))
            .collect(),
    })
}

fn of_container(lease: &Lease, usage: &ContainerUsage) -> ContainerStats {
    ContainerStats {
        ctid: lease.vmid.get(),
        hostname: lease.hostname.clone(),
        node: usage.node.as_str().to_owned(),
        status: usage.state.as_str().to_owned(),
        // What a stopped container does not use is left out by Proxmox.
        cpu: usage.cpu.unwrap_or(0.0),
        memory_used: usage.memory.unwrap_or(0),
        memory_total: usage.max_memory.unwrap_or(0),
        disk_used: usage.disk.unwrap_or(0),
        disk_total: usage.max_disk.unwrap_or(0),
        network_in: usage.network_in.unwrap_or(0),
        network_out: usage.network_out.unwrap_or(0),
        uptime_seconds: usage.uptime.unwrap_or(0),
    }
}
