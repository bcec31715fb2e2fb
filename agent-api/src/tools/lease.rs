//! The tools that create, price, renew, list and end leases.

use api_types::{
    LeaseRequest, LeaseResponse, LeaseStatus, LeaseView, QuoteResponse, RenewRequest, RenewResponse,
};
use axum::http::Method;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    CallPlan, Tool, ToolClass,
    arguments::{optional_whole, whole},
    body_of, call, call_for,
    show::{self, date_and_time, minutes, without_nulls},
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
    const CLASS: ToolClass = ToolClass::Paid;
    const DESCRIPTION: &'static str = "Leases a new Linux container. The customer is shown the exact price and pays in their own wallet; \
         never ask for a password or key, the interface does that. Call it once the customer has asked for a lease and said for how long.";
    type Arguments = LeaseArguments;
    type Response = LeaseResponse;
    const UNREAD: &'static str = "The lease is being settled.";

    fn plan(arguments: LeaseArguments) -> CallPlan {
        let request = arguments.request();
        let what = size_and_time(&request);
        let size = size_of(&request);
        let named = request.hostname.as_ref();
        let named = named.map_or(String::new(), |name| format!(" as {name}"));
        CallPlan {
            body: body_of(&request),
            title: format!("Leasing {what}{named}"),
            summary: format!("Lease {what}{named}"),
            takes_credential: true,
            kind: Some(size),
            ..call(Self::NAME, &Method::POST, "/lease/container")
        }
    }

    fn view(lease: &LeaseResponse) -> Value {
        let credential = if lease.password.is_some() {
            "a password was made and is shown to the customer, not to you"
        } else {
            "as the customer chose"
        };
        without_nulls(json!({
            "leaseId": lease.lease_id, "status": lease.status, "ctid": lease.ctid,
            "expiresAt": lease.expires_at, "hostname": lease.hostname, "ip": lease.ip,
            "message": lease.message, "paid": lease.price.total, "credential": credential,
        }))
    }

    fn summary(lease: &LeaseResponse) -> String {
        let (ctid, until) = (lease.ctid, date_and_time(lease.expires_at));
        match lease.status {
            LeaseStatus::Active => {
                let at = lease.ip.as_ref();
                let at = at.map_or(String::new(), |ip| format!(" at {ip}"));
                format!("Container {ctid} runs{at} until {until}.")
            }
            status => format!("Container {ctid} is {}.", show::serialized_name(status)),
        }
    }
}

impl Tool for QuoteLease {
    const NAME: &'static str = "quote_lease";
    const CLASS: ToolClass = ToolClass::Free;
    const DESCRIPTION: &'static str = "Asks what a lease would cost, with line items and, in `includedTraffic`, the bytes that it may send. Use it for every question about prices; never compute one.";
    type Arguments = LeaseArguments;
    type Response = QuoteResponse;

    fn plan(arguments: LeaseArguments) -> CallPlan {
        let request = arguments.request();
        let what = size_and_time(&request);
        CallPlan {
            body: body_of(&request),
            title: format!("Asking for the price of {what}"),
            summary: format!("Quote {what}"),
            ..call(Self::NAME, &Method::POST, "/lease/quote")
        }
    }

    fn view(quote: &QuoteResponse) -> Value {
        let lines: Option<Vec<String>> = quote.price.as_ref().map(|price| {
            let lines = price.lines.iter().map(|line| {
                let counted = show::counted(&line.quantity, &line.unit);
                format!("{}: {counted} = {}", line.label, line.amount)
            });
            lines.collect()
        });
        without_nulls(json!({
            "acceptable": quote.acceptable, "network": quote.network, "validUntil": quote.valid_until,
            "includedTraffic": quote.included_traffic, "fieldErrors": quote.field_errors,
            "refusals": quote.refusals, "total": total(quote), "lines": lines.unwrap_or_default(),
        }))
    }

    fn summary(quote: &QuoteResponse) -> String {
        let total = total(quote);
        if quote.acceptable {
            return format!("It costs {total}.");
        }
        let problems = quote.field_errors.iter();
        let problems: Vec<_> = problems
            .map(|problem| format!("{} {}", problem.field, problem.message))
            .collect();
        match problems.as_slice() {
            [] => format!("It would cost {total}, but there is no room for it at the moment."),
            _ => format!("It would be refused: {}.", problems.join("; ")),
        }
    }
}

/// The price of a quote with its unit.
fn total(quote: &QuoteResponse) -> String {
    let price = quote.price.as_ref();
    price.map_or_else(
        || "an unknown amount".to_owned(),
        |price| price.total.to_string(),
    )
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
    const CLASS: ToolClass = ToolClass::Paid;
    const DESCRIPTION: &'static str = "Adds time to a lease, and starts its container again if it was stopped. The customer is shown the price and pays.";
    type Arguments = RenewArguments;
    type Response = RenewResponse;

    fn plan(arguments: RenewArguments) -> CallPlan {
        let RenewArguments {
            ctid,
            runtime_minutes,
        } = arguments;
        let time = minutes(runtime_minutes);
        CallPlan {
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

    fn view(renewed: &RenewResponse) -> Value {
        json!({
            "leaseId": renewed.lease_id, "status": renewed.status, "ctid": renewed.ctid,
            "expiresAt": renewed.expires_at, "message": renewed.message,
            "paid": renewed.price.total,
        })
    }

    fn summary(renewed: &RenewResponse) -> String {
        let until = date_and_time(renewed.expires_at);
        format!("Container {} is paid until {until}.", renewed.ctid)
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
    const CLASS: ToolClass = ToolClass::Confirmed;
    const DESCRIPTION: &'static str = "Destroys a container with all its data before its time is over. The customer is asked to confirm it in the interface.";
    type Arguments = ContainerArguments;
    type Response = LeaseView;
    const UNREAD: &'static str = "The container is destroyed.";

    fn plan(arguments: ContainerArguments) -> CallPlan {
        let ctid = arguments.ctid;
        CallPlan {
            title: format!("Destroying container {ctid}"),
            summary: format!("Destroy container {ctid} and all its data"),
            ..call_for(Self::NAME, &Method::DELETE, ctid, format!("/lease/{ctid}"))
        }
    }

    fn view(lease: &LeaseView) -> Value {
        json!({ "leaseId": lease.lease_id, "status": lease.status, "ctid": lease.ctid })
    }

    fn summary(lease: &LeaseView) -> String {
        format!("Container {} is destroyed.", lease.ctid)
    }
}

/// Nothing to say.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NoArguments {}

/// A list of leases of which each entry is read alone, so that one of a later release hides no
/// other.
#[derive(Debug, Deserialize)]
#[serde(from = "ListOfAny")]
pub(super) struct ReadableLeases {
    leases: Vec<LeaseView>,
    /// The number of entries that cannot be read.
    unreadable: usize,
}

#[derive(Debug, Deserialize)]
struct ListOfAny {
    leases: Vec<Value>,
}

impl From<ListOfAny> for ReadableLeases {
    fn from(list: ListOfAny) -> Self {
        let all = list.leases.len();
        let leases: Vec<_> = list
            .leases
            .iter()
            .filter_map(|lease| LeaseView::deserialize(lease).ok())
            .collect();
        Self {
            unreadable: all - leases.len(),
            leases,
        }
    }
}

impl Tool for ListManagedContainers {
    const NAME: &'static str = "list_managed_containers";
    const CLASS: ToolClass = ToolClass::Paid;
    const DESCRIPTION: &'static str = "Lists the customer's containers with their state, time left and, in `notice`, what keeps one from being used now. Free for a customer who is signed in, else a small fee.";
    type Arguments = NoArguments;
    type Response = ReadableLeases;

    fn plan(_: NoArguments) -> CallPlan {
        CallPlan {
            title: "Looking at your containers".to_owned(),
            summary: "List your containers".to_owned(),
            free_path: Some("/leases".to_owned()),
            ..call(Self::NAME, &Method::GET, "/management/list")
        }
    }

    fn view(list: &ReadableLeases) -> Value {
        let leases = list.leases.iter().map(|lease| {
            without_nulls(json!({
                "ctid": lease.ctid, "hostname": lease.hostname, "status": lease.status,
                "liveStatus": lease.live_status, "notice": lease.notice, "ip": lease.ip,
                "cores": lease.cores, "memoryMB": lease.memory_mb, "diskGB": lease.disk_gb,
                "expiresAt": lease.expires_at, "destroysAt": lease.destroys_at,
            }))
        });
        let unreadable = (list.unreadable > 0).then_some(list.unreadable);
        without_nulls(json!({ "leases": leases.collect::<Vec<_>>(), "unreadable": unreadable }))
    }

    fn summary(list: &ReadableLeases) -> String {
        match list.leases.len() + list.unreadable {
            0 => "You have no containers.".to_owned(),
            1 => "You have 1 container.".to_owned(),
            many => format!("You have {many} containers."),
        }
    }
}
