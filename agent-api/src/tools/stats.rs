//! The tools that show the load of nodes and containers.

use api_types::{LxcStats, NodeStats};
use axum::http::Method;
use serde_json::{Value, json};

use super::{CallPlan, Tool, ToolClass, call, lease::NoArguments, show};

/// `GET /stats/node`.
pub(super) struct GetNodeStats;
/// `GET /stats/lxc`.
pub(super) struct ListLxcStats;

impl Tool for GetNodeStats {
    const NAME: &'static str = "get_node_stats";
    const CLASS: ToolClass = ToolClass::Free;
    const DESCRIPTION: &'static str = "Says how busy the hosts are: processor, memory, disk.";
    type Arguments = NoArguments;
    type Response = NodeStats;

    fn plan(_: NoArguments) -> CallPlan {
        CallPlan {
            title: "Looking at the hosts".to_owned(),
            summary: "Show how busy the hosts are".to_owned(),
            ..call(Self::NAME, &Method::GET, "/stats/node")
        }
    }

    fn view(stats: &NodeStats) -> Value {
        json!(stats)
    }

    fn summary(stats: &NodeStats) -> String {
        let nodes: Vec<_> = stats
            .nodes
            .iter()
            .map(|usage| {
                let node = &usage.node;
                if !usage.online {
                    return format!("{node} is offline");
                }
                let float = |number: Option<u64>| number.map(|number| number as f64);
                let cpu = show::percent(usage.cpu, Some(1.0));
                let memory = show::percent(float(usage.memory_used), float(usage.memory_total));
                format!("{node}: processor {cpu}, memory {memory} in use")
            })
            .collect();
        match nodes.as_slice() {
            [] => "No host is known.".to_owned(),
            nodes => format!("{}.", nodes.join("; ")),
        }
    }
}

impl Tool for ListLxcStats {
    const NAME: &'static str = "list_lxc_stats";
    const CLASS: ToolClass = ToolClass::Free;
    const DESCRIPTION: &'static str = "Says how many containers there are, and how busy the customer's own are where the customer is signed in.";
    type Arguments = NoArguments;
    type Response = LxcStats;

    fn plan(_: NoArguments) -> CallPlan {
        CallPlan {
            title: "Looking at the containers' load".to_owned(),
            summary: "Show how busy the containers are".to_owned(),
            ..call(Self::NAME, &Method::GET, "/stats/lxc")
        }
    }

    fn view(stats: &LxcStats) -> Value {
        let containers = stats.containers.iter().map(|container| {
            json!({
                "ctid": container.ctid, "hostname": container.hostname, "status": container.status,
                "cpu": container.cpu, "memoryUsed": container.memory_used,
                "memoryTotal": container.memory_total, "uptimeSeconds": container.uptime_seconds,
            })
        });
        json!({
            "total": stats.total, "running": stats.running,
            "containers": containers.collect::<Vec<_>>(),
        })
    }

    fn summary(stats: &LxcStats) -> String {
        let LxcStats { total, running, .. } = stats;
        format!("{running} of {total} leased containers are running.")
    }
}
