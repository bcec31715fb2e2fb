//! The tools that say how busy things are.

use axum::http::Method;
use serde_json::{Value, json};

use super::{
    Class, Plan, Tool, call,
    lease::NoArguments,
    show::{self, text},
};

/// `GET /stats/node`.
pub(super) struct GetNodeStats;
/// `GET /stats/lxc`.
pub(super) struct ListLxcStats;

impl Tool for GetNodeStats {
    const NAME: &'static str = "get_node_stats";
    const CLASS: Class = Class::Free;
    const DESCRIPTION: &'static str = "Says how busy the hosts are: processor, memory, disk.";
    type Arguments = NoArguments;

    fn plan(_: NoArguments) -> Plan {
        Plan {
            title: "Looking at the hosts".to_owned(),
            summary: "Show how busy the hosts are".to_owned(),
            ..call(Self::NAME, &Method::GET, "/stats/node")
        }
    }

    fn view(answer: &Value) -> Value {
        answer.clone()
    }

    fn summary(answer: &Value) -> String {
        let nodes = answer["nodes"].as_array().into_iter().flatten();
        let nodes: Vec<_> = nodes
            .map(|node| {
                if node["online"] == false {
                    return format!("{} is offline", text(node, "node"));
                }
                let cpu = show::percent(node["cpu"].as_f64(), Some(1.0));
                let memory =
                    show::percent(node["memoryUsed"].as_f64(), node["memoryTotal"].as_f64());
                let name = text(node, "node");
                format!("{name}: processor {cpu}, memory {memory} in use")
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
    const CLASS: Class = Class::Free;
    const DESCRIPTION: &'static str = "Says how many containers there are, and how busy the customer's own are where the customer is signed in.";
    type Arguments = NoArguments;

    fn plan(_: NoArguments) -> Plan {
        Plan {
            title: "Looking at the containers' load".to_owned(),
            summary: "Show how busy the containers are".to_owned(),
            ..call(Self::NAME, &Method::GET, "/stats/lxc")
        }
    }

    fn view(answer: &Value) -> Value {
        let mut seen = show::keep(answer, &["total", "running"]);
        let containers = answer["containers"].as_array().into_iter().flatten();
        let kept = [
            "ctid",
            "hostname",
            "status",
            "cpu",
            "memoryUsed",
            "memoryTotal",
            "uptimeSeconds",
        ];
        seen["containers"] = json!(
            containers
                .map(|one| show::keep(one, &kept))
                .collect::<Vec<_>>()
        );
        seen
    }

    fn summary(answer: &Value) -> String {
        let (total, running) = (text(answer, "total"), text(answer, "running"));
        format!("{running} of {total} leased containers are running.")
    }
}
