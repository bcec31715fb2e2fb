//! The tool that says what a container uses and has sent.

use axum::http::Method;
use serde_json::Value;

use super::{
    Class, Plan, Tool, call_for,
    lease::ContainerArguments,
    show::{self, bytes, text},
};

/// `GET /lease/{ctid}/usage`.
pub(super) struct GetContainerUsage;

impl Tool for GetContainerUsage {
    const NAME: &'static str = "get_container_usage";
    const CLASS: Class = Class::Free;
    const DESCRIPTION: &'static str = "Says what one of the customer's containers uses now, and how much traffic it has sent of what is included in the time that was bought (bytes); `step` is `slowed` or `cut` where that is used up, until the lease is renewed. The customer has to be signed in.";
    type Arguments = ContainerArguments;

    fn plan(arguments: ContainerArguments) -> Plan {
        let ctid = arguments.ctid;
        Plan {
            title: format!("Looking at the traffic of container {ctid}"),
            summary: format!("Show what container {ctid} uses and has sent"),
            ..call_for(
                Self::NAME,
                &Method::GET,
                ctid,
                format!("/lease/{ctid}/usage"),
            )
        }
    }

    fn view(answer: &Value) -> Value {
        show::keep(answer, &["leaseId", "ctid", "now", "traffic"])
    }

    fn summary(answer: &Value) -> String {
        let ctid = text(answer, "ctid");
        let traffic = &answer["traffic"];
        let Some(sent) = traffic["sent"].as_u64().map(bytes) else {
            return format!("What container {ctid} has sent is not known.");
        };
        let included = traffic["included"].as_u64().map(bytes);
        let of = included.map_or(String::new(), |included| {
            format!(" of the {included} that are included")
        });
        let step = match traffic["step"].as_str() {
            Some("slowed") => " Its network is slowed to 1 Mbit/s until the lease is renewed.",
            Some("cut") => " Its network is cut off until the lease is renewed.",
            _ => "",
        };
        format!("Container {ctid} has sent {sent}{of}.{step}")
    }
}
