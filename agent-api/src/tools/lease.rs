//! The tools that make, price, prolong, list and end leases.

use api_types::{LeaseRequest, RenewRequest};
use axum::http::Method;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Class, Plan, Tool,
    arguments::{optional_whole, whole},
    body_of, call, call_for,
    show::{self, minutes, moment, text},
};

/// `POST /lease/container`.
pub(super) struct LeaseContainer;
/// `POST /lease/quote`.
pub(super) struct QuoteLease;
/// `POST /lease/{ctid}/renew`.
pub(super) struct RenewLease;
/// `DELETE /lease/{ctid}`.
pub(super) struct DestroyLease;
/// `GET /management/list`, or `GET /leases` for a wallet that is signed in.
pub(super) struct ListManagedContainers;

/// What kind of container, and for how long.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LeaseArguments {
    /// Paid time in minutes.
    #[serde(
        rename = "runtimeMinutes",
        alias = "runtime_minutes",
        deserialize_with = "whole"
    )]
    runtime_minutes: u32,
    /// Number of cores; 1 where absent.
    #[serde(default, deserialize_with = "optional_whole")]
    cores: Option<u32>,
    /// Memory in MiB; 512 where absent.
    #[serde(
        default,
        rename = "memoryMB",
        alias = "memory_mb",
        deserialize_with = "optional_whole"
    )]
    memory_mb: Option<u32>,
    /// Disk in GiB; 8 where absent.
    #[serde(
        default,
        rename = "diskGB",
        alias = "disk_gb",
        deserialize_with = "optional_whole"
    )]
    disk_gb: Option<u32>,
    /// A name for the container: letters, digits and hyphens.
    #[serde(default)]
    hostname: Option<String>,
    /// The operating system template, a name from the catalog; leave it out for the usual one.
    #[serde(default)]
    template: Option<String>,
}

impl LeaseArguments {
    fn request(self) -> LeaseRequest {
        let usual = LeaseRequest::default();
        LeaseRequest {
            runtime_minutes: self.runtime_minutes,
            hostname: self.hostname,
            cores: self.cores.unwrap_or(usual.cores),
            memory_mb: self.memory_mb.unwrap_or(usual.memory_mb),
            disk_gb: self.disk_gb.unwrap_or(usual.disk_gb),
            template: self.template,
            ..usual
        }
    }
}

/// `1 core, 512 MiB memory, 8 GiB disk`.
fn size_of(request: &LeaseRequest) -> String {
    let cores = match request.cores {
        1 => "1 core".to_owned(),
        many => format!("{many} cores"),
    };
    let (memory, disk) = (show::memory(request.memory_mb), request.disk_gb);
    format!("{cores}, {memory} memory, {disk} GiB disk")
}

/// `1 core, 512 MiB memory, 8 GiB disk for 60 minutes`.
fn size_and_time(request: &LeaseRequest) -> String {
    let time = minutes(request.runtime_minutes);
    format!("{} for {time}", size_of(request))
}

impl Tool for LeaseContainer {
    const NAME: &'static str = "lease_container";
    const CLASS: Class = Class::Paid;
    const DESCRIPTION: &'static str = "Leases a new Linux container. The customer is shown the exact price and pays in their own wallet; \
         never ask for a password or key, the interface does that. Call it once the customer has asked for a lease and said for how long.";
    type Arguments = LeaseArguments;

    fn plan(arguments: LeaseArguments) -> Plan {
        let request = arguments.request();
        let what = size_and_time(&request);
        let size = size_of(&request);
        let named = request.hostname.as_ref();
        let named = named.map_or(String::new(), |name| format!(" as {name}"));
        Plan {
            body: body_of(&request),
            title: format!("Leasing {what}{named}"),
            summary: format!("Lease {what}{named}"),
            takes_credential: true,
            kind: Some(size),
            ..call(Self::NAME, &Method::POST, "/lease/container")
        }
    }

    fn view(answer: &Value) -> Value {
        let mut seen = show::keep(
            answer,
            &[
                "leaseId",
                "status",
                "ctid",
                "expiresAt",
                "hostname",
                "ip",
                "message",
            ],
        );
        seen["paid"] = answer["price"]["total"].clone();
        seen["credential"] = if answer["password"].is_string() {
            json!("a password was made and is shown to the customer, not to you")
        } else {
            json!("as the customer chose")
        };
        seen
    }

    fn summary(answer: &Value) -> String {
        let (ctid, until) = (text(answer, "ctid"), moment(answer, "expiresAt"));
        match answer["status"].as_str() {
            Some("active") => {
                let at = answer["ip"].as_str();
                let at = at.map_or(String::new(), |ip| format!(" at {ip}"));
                format!("Container {ctid} runs{at} until {until}.")
            }
            Some(status) => format!("Container {ctid} is {status}."),
            None => "The lease is being settled.".to_owned(),
        }
    }
}

impl Tool for QuoteLease {
    const NAME: &'static str = "quote_lease";
    const CLASS: Class = Class::Free;
    const DESCRIPTION: &'static str = "Asks what a lease would cost, with line items and, in `includedTraffic`, the bytes that it may send. Use it for every question about prices; never compute one.";
    type Arguments = LeaseArguments;

    fn plan(arguments: LeaseArguments) -> Plan {
        let request = arguments.request();
        let what = size_and_time(&request);
        Plan {
            body: body_of(&request),
            title: format!("Asking for the price of {what}"),
            summary: format!("Quote {what}"),
            ..call(Self::NAME, &Method::POST, "/lease/quote")
        }
    }

    fn view(answer: &Value) -> Value {
        let mut seen = show::keep(
            answer,
            &[
                "acceptable",
                "network",
                "validUntil",
                "includedTraffic",
                "fieldErrors",
                "refusals",
            ],
        );
        seen["total"] = json!(show::dollars(&answer["price"]["total"]));
        let lines = answer["price"]["lines"].as_array().into_iter().flatten();
        let lines: Vec<_> = lines
            .map(|line| {
                let (label, quantity, unit) = (
                    text(line, "label"),
                    text(line, "quantity"),
                    text(line, "unit"),
                );
                let counted = show::counted(&quantity, &unit);
                format!("{label}: {counted} = {}", show::dollars(&line["amount"]))
            })
            .collect();
        seen["lines"] = json!(lines);
        seen
    }

    fn summary(answer: &Value) -> String {
        let total = show::dollars(&answer["price"]["total"]);
        match answer["acceptable"].as_bool() {
            Some(false) => {
                let problems = answer["fieldErrors"].as_array().into_iter().flatten();
                let problems: Vec<_> = problems
                    .map(|problem| {
                        format!("{} {}", text(problem, "field"), text(problem, "message"))
                    })
                    .collect();
                match problems.as_slice() {
                    [] => {
                        format!("It would cost {total}, but there is no room for it at the moment.")
                    }
                    _ => format!("It would be refused: {}.", problems.join("; ")),
                }
            }
            _ => format!("It costs {total}."),
        }
    }
}

/// Which lease, and how much longer.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RenewArguments {
    /// The container's number.
    #[serde(deserialize_with = "whole")]
    ctid: u32,
    /// Minutes to add.
    #[serde(
        rename = "runtimeMinutes",
        alias = "runtime_minutes",
        deserialize_with = "whole"
    )]
    runtime_minutes: u32,
}

impl Tool for RenewLease {
    const NAME: &'static str = "renew_lease";
    const CLASS: Class = Class::Paid;
    const DESCRIPTION: &'static str = "Adds time to a lease, and starts its container again if it was stopped. The customer is shown the price and pays.";
    type Arguments = RenewArguments;

    fn plan(arguments: RenewArguments) -> Plan {
        let RenewArguments {
            ctid,
            runtime_minutes,
        } = arguments;
        let time = minutes(runtime_minutes);
        Plan {
            body: body_of(&RenewRequest { runtime_minutes }),
            title: format!("Renewing container {ctid} by {time}"),
            summary: format!("Renew container {ctid} by {time}"),
            ..call_for(
                Self::NAME,
                &Method::POST,
                ctid,
                format!("/lease/{ctid}/renew"),
            )
        }
    }

    fn view(answer: &Value) -> Value {
        let mut seen = show::keep(
            answer,
            &["leaseId", "status", "ctid", "expiresAt", "message"],
        );
        seen["paid"] = answer["price"]["total"].clone();
        seen
    }

    fn summary(answer: &Value) -> String {
        let (ctid, until) = (text(answer, "ctid"), moment(answer, "expiresAt"));
        format!("Container {ctid} is paid until {until}.")
    }
}

/// Which lease.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ContainerArguments {
    /// The container's number.
    #[serde(deserialize_with = "whole")]
    pub(super) ctid: u32,
}

impl Tool for DestroyLease {
    const NAME: &'static str = "destroy_lease";
    const CLASS: Class = Class::Confirmed;
    const DESCRIPTION: &'static str = "Destroys a container with all its data before its time is over. The customer is asked to confirm it in the interface.";
    type Arguments = ContainerArguments;

    fn plan(arguments: ContainerArguments) -> Plan {
        let ctid = arguments.ctid;
        Plan {
            title: format!("Destroying container {ctid}"),
            summary: format!("Destroy container {ctid} and all its data"),
            ..call_for(Self::NAME, &Method::DELETE, ctid, format!("/lease/{ctid}"))
        }
    }

    fn view(answer: &Value) -> Value {
        show::keep(answer, &["leaseId", "status", "ctid", "message"])
    }

    fn summary(answer: &Value) -> String {
        match answer["ctid"].as_u64() {
            Some(ctid) => format!("Container {ctid} is destroyed."),
            None => "The container is destroyed.".to_owned(),
        }
    }
}

/// Nothing to say.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NoArguments {}

impl Tool for ListManagedContainers {
    const NAME: &'static str = "list_managed_containers";
    const CLASS: Class = Class::Paid;
    const DESCRIPTION: &'static str = "Lists the customer's containers with their state, time left and, in `notice`, what keeps one from being used now. Free for a customer who is signed in, else a small fee.";
    type Arguments = NoArguments;

    fn plan(_: NoArguments) -> Plan {
        Plan {
            title: "Looking at your containers".to_owned(),
            summary: "List your containers".to_owned(),
            free_path: Some("/leases".to_owned()),
            ..call(Self::NAME, &Method::GET, "/management/list")
        }
    }

    fn view(answer: &Value) -> Value {
        let leases = answer["leases"].as_array().into_iter().flatten();
        let leases: Vec<_> = leases
            .map(|lease| {
                let kept = [
                    "ctid",
                    "hostname",
                    "status",
                    "liveStatus",
                    "notice",
                    "ip",
                    "cores",
                    "memoryMB",
                    "diskGB",
                    "expiresAt",
                    "destroysAt",
                ];
                show::keep(lease, &kept)
            })
            .collect();
        json!({ "leases": leases })
    }

    fn summary(answer: &Value) -> String {
        let leases = answer["leases"].as_array().map_or(0, Vec::len);
        match leases {
            0 => "You have no containers.".to_owned(),
            1 => "You have 1 container.".to_owned(),
            many => format!("You have {many} containers."),
        }
    }
}
