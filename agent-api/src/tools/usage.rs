//! The tool that shows the resources and traffic that a container has used.

use api_types::{TrafficStep, UsageResponse};
use axum::http::Method;
use serde_json::{Value, json};

use super::{
    CallPlan, Tool, ToolClass, call_below,
    lease::ContainerArguments,
    show::{bytes, without_nulls},
};

/// `GET /lease/{ctid}/usage`.
pub(super) struct GetContainerUsage;

impl Tool for GetContainerUsage {
    const NAME: &'static str = "get_container_usage";
    const CLASS: ToolClass = ToolClass::Free;
    const DESCRIPTION: &'static str = "Says what one of the customer's containers uses now, and how much traffic it has sent of what is included in the time that was bought (bytes); `step` is `slowed` or `cut` where that is used up, until the lease is renewed. The customer has to be signed in.";
    type Arguments = ContainerArguments;
    type Response = UsageResponse;
    const UNREAD: &'static str = "What the container has sent is not known.";

    fn plan(arguments: ContainerArguments) -> CallPlan {
        let ctid = arguments.ctid;
        CallPlan {
            title: format!("Looking at the traffic of container {ctid}"),
            summary: format!("Show what container {ctid} uses and has sent"),
            ..call_below(Self::NAME, &Method::GET, ctid, "usage")
        }
    }

    fn view(usage: &UsageResponse) -> Value {
        without_nulls(json!({
            "leaseId": usage.lease_id, "ctid": usage.ctid, "now": usage.now,
            "traffic": usage.traffic,
        }))
    }

    fn summary(usage: &UsageResponse) -> String {
        let (ctid, traffic) = (usage.ctid, &usage.traffic);
        let sent = bytes(traffic.sent);
        let included = traffic.included.map(bytes);
        let of = included.map_or(String::new(), |included| {
            format!(" of the {included} that are included")
        });
        let step = match traffic.step {
            TrafficStep::Slowed => " Its network is slowed to 1 Mbit/s until the lease is renewed.",
            TrafficStep::Cut => " Its network is cut off until the lease is renewed.",
            TrafficStep::Full | TrafficStep::Stopped => "",
        };
        format!("Container {ctid} has sent {sent}{of}.{step}")
    }
}
