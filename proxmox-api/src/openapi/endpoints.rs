//! Every free route, as it is mounted. The paid ones are documented beside their operations.

use api_types::ErrorCode::*;
use serde_json::json;
use service::openapi::Endpoint;

use super::{
    entrances, examples, guest, inside,
    route_parts::{ABOUT_LEASE, CTID, WalletSession as _, ctid},
};
use crate::store::LARGEST_PAGE;

/// The routes that cost nothing.
pub(super) fn free() -> Vec<Endpoint> {
    let mut all = leases();
    all.extend(guest::endpoints());
    all.extend(inside::endpoints());
    all.extend(entrances::endpoints());
    all.extend(sessions());
    all.extend(offers());
    all.extend(service());
    all
}

fn leases_on_a_page() -> serde_json::Value {
    json!({"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": 50})
}

fn leases() -> Vec<Endpoint> {
    vec![
        Endpoint::new("POST", "/lease/quote", "What a lease would cost, and what would be refused").named("Leases", "quoteLease")
            .details("Takes the body of `POST /lease/container`; an absent body is the default lease.")
            .takes(&examples::lease_request())
            .body_may_be_absent()
            .responds(200, "The price with its lines, and every field that would be refused.", &examples::quote())
            .limited(),
        Endpoint::new("GET", "/leases", "The wallet's leases with their live state").named("Leases", "listLeases")
            .details(
                "Those that run come first. `liveStatus` is a few seconds old at most, and left out while Proxmox does not answer. \
                 Live leases are all on the first page; those whose container is gone come in pages, the youngest first.",
            )
            .in_query("all", json!({"type": "boolean", "default": false}), "Also those whose container is gone.")
            .in_query("status", json!({"$ref": "#/components/schemas/LeaseStatus"}), "Only those in this state.")
            .in_query("limit", leases_on_a_page(), "Leases on a page whose container is gone.")
            .in_query(
                "before",
                json!({"type": "string"}),
                "The `next` of the page before. Without `all=true` or `status=destroyed` there is nothing on a later page.",
            )
            .responds(200, "The leases.", &examples::list())
            .with_session(),
        Endpoint::new("GET", "/leases/{leaseId}", "One lease of the wallet").named("Leases", "readLease")
            .in_path("leaseId", json!({"type": "string", "minLength": 1}), "The lease's id.")
            .responds(200, "The lease.", &examples::lease_view())
            .refuses(&[Forbidden, LeaseNotFound])
            .with_session(),
        Endpoint::new("GET", "/lease/{lease}/usage", "What a lease's container uses and has sent").named("Leases", "readUsage")
            .details(
                "`now` is left out where the container is gone or Proxmox does not answer. `history` begins with the lease. `traffic` is \
                 counted each minute: a container that has sent more than is included is slowed, and cut off at twice as much, until a \
                 renewal adds to it.",
            )
            .in_path("lease", json!({"type": "string", "minLength": 1}), "The lease's id, or its container's number.")
            .in_query("timeframe", json!({"$ref": "#/components/schemas/UsageTimeframe"}), "How far back `history` goes; `hour` if absent.")
            .responds(200, "What it uses.", &examples::usage())
            .refuses(&[Forbidden, LeaseNotFound, LeaseEnded])
            .with_session()
            .limited(),
        power("/lease/{ctid}/stop", "stopContainer", "Stops the container of a lease")
            .details(
                "It is asked to shut down and is stopped after twenty seconds. The paid time goes on, and the data stays; \
                 `POST /lease/{ctid}/start` starts it again.",
            )
            .responds(200, "The container does not run.", &examples::switched("stopped"))
            .responds(202, "The container is about to stop.", &examples::switched("running")),
        power("/lease/{ctid}/start", "startContainer", "Starts the container of a lease that was stopped")
            .details("For the paid time only: a lease that is over is started by a renewal.")
            .responds(200, "The container runs.", &examples::switched("running"))
            .responds(202, "The container is about to run.", &examples::switched("stopped"))
            .refuses(&[ProvisioningFailed]),
        Endpoint::new("DELETE", "/lease/{ctid}", "Ends a lease early").named("Leases", "endLease")
            .details(
                "The container and its data are removed. Where there is credit, whole minutes that were not used come back as such (`creditReturned`); else nothing does. Asked again, it answers the same. Numbers \
                 are used again: whoever repeats a request names the lease by `leaseId`.",
            )
            .in_path("ctid", ctid(), CTID)
            .in_query("leaseId", json!({"type": "string"}), "The lease that is meant.")
            .responds(200, "The container is gone.", &examples::destroyed())
            .responds(202, "The lease is over and the container is about to go.", &examples::destroyed())
            .refuses(ABOUT_LEASE)
            .refuses(&[Internal])
            .with_session(),
        Endpoint::new("GET", "/payments", "What the wallet has paid, the youngest first").named("Payments", "listPayments")
            .in_query("limit", json!({"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": 50}), "Payments on a page.")
            .in_query("before", json!({"type": "string"}), "The `next` of the page before.")
            .responds(200, "A page of payments.", &examples::payments())
            .with_session(),
    ]
}

/// One of the two routes that switch a container.
fn power(path: &'static str, id: &'static str, summary: &'static str) -> Endpoint {
    Endpoint::new("POST", path, summary)
        .named("Leases", id)
        .in_path("ctid", ctid(), CTID)
        .in_query(
            "leaseId",
            json!({"type": "string"}),
            "The lease that is meant: numbers are used again.",
        )
        .refuses(ABOUT_LEASE)
        .refuses(&[HypervisorError, HypervisorUnavailable, Internal])
        .with_session()
}

fn sessions() -> Vec<Endpoint> {
    vec![
        Endpoint::new("POST", "/session/challenge", "A text for a wallet to sign").named("Session", "startSession")
            .details("The text has the form of EIP-4361 and is good once, for five minutes.")
            .takes(&examples::challenge_request())
            .responds(200, "The text.", &examples::challenge())
            .refuses(&[Unavailable])
            .limited(),
        Endpoint::new("POST", "/session", "Opens a session with the signed text").named("Session", "openSession")
            .details("Signatures of ordinary accounts (EIP-191) are taken, and of contracts (ERC-1271) where a node is configured.")
            .takes(&examples::session_request())
            .responds(200, "A bearer token for this wallet.", &examples::session())
            .refuses(&[Unauthorized, Unavailable])
            .limited(),
        Endpoint::new("DELETE", "/session", "Ends the session").named("Session", "closeSession")
            .responds_nothing(204, "The token is good for nothing any more.")
            .with_session()
            .limited(),
    ]
}

fn offers() -> Vec<Endpoint> {
    vec![
        Endpoint::new(
            "GET",
            "/catalog",
            "Limits, rates, templates, and how to pay",
        )
        .named("Offer", "readCatalog")
        .responds(
            200,
            "Everything to know before asking.",
            &examples::catalog(),
        ),
        Endpoint::new("GET", "/stats/node", "How busy the nodes are")
            .named("Offer", "readNodeStats")
            .responds(
                200,
                "The nodes, a few seconds old at most.",
                &examples::node_stats(),
            )
            .refuses(&[HypervisorError, HypervisorUnavailable]),
        Endpoint::new(
            "GET",
            "/stats/lxc",
            "How many containers are leased, and how busy one's own are",
        )
        .named("Offer", "readContainerStats")
        .better_with_session()
        .responds(
            200,
            "Counts for everybody; `containers` only for their owner.",
            &examples::lxc_stats(),
        )
        .refuses(&[HypervisorError, HypervisorUnavailable, Unavailable]),
        Endpoint::new(
            "POST",
            "/demo/faucet",
            "Play money, where payments are simulated",
        )
        .named("Offer", "fillDemoAccount")
        .details("Fills an account up to 10 USDC. Elsewhere the route does not exist.")
        .takes(&examples::faucet_request())
        .responds(200, "What the account has now.", &examples::faucet())
        .refuses(&[NotFound, Unavailable])
        .limited(),
        Endpoint::new("GET", "/demo/balance", "How much play money an account has")
            .named("Offer", "readDemoBalance")
            .details("Elsewhere the route does not exist: the chain knows the balance.")
            .needs_query(
                "address",
                json!({"type": "string", "pattern": "^0x[0-9a-fA-F]{40}$"}),
                "The account.",
            )
            .responds(200, "What the account has.", &examples::faucet())
            .refuses(&[NotFound, Unavailable])
            .limited(),
    ]
}

fn service() -> Vec<Endpoint> {
    let text = || json!({"type": "string"});
    let object = || json!({"type": "object"});
    let report = || {
        let check = json!({
            "type": "object", "required": ["name", "ok", "message"],
            "properties": {"name": {"type": "string"}, "ok": {"type": "boolean"}, "message": {"type": "string"}},
        });
        json!({
            "type": "object", "required": ["ready", "checks"],
            "properties": {"ready": {"type": "boolean"}, "checks": {"type": "array", "items": check}},
        })
    };
    let json_type = "application/json";
    vec![
        Endpoint::new("GET", "/health", "Whether the process answers")
            .named("Service", "readHealth")
            .responds_plain(
                200,
                "It does.",
                json_type,
                json!({"type": "object", "properties": {"status": {"const": "ok"}}}),
            ),
        Endpoint::new("GET", "/ready", "Whether everything that is needed answers")
            .named("Service", "readReadiness")
            .responds_plain(200, "It does.", json_type, report())
            .responds_plain(503, "Something does not.", json_type, report()),
        Endpoint::new("GET", "/metrics", "Numbers for Prometheus")
            .named("Service", "readMetrics")
            .responds_plain(200, "In the Prometheus text format.", "text/plain", text()),
        Endpoint::new("GET", "/openapi.json", "This document")
            .named("Service", "readOpenApi")
            .responds_plain(200, "OpenAPI 3.1.", json_type, object()),
        Endpoint::new("GET", "/docs", "This document for people")
            .named("Service", "readDocs")
            .responds_plain(200, "A page.", "text/html", text()),
        Endpoint::new(
            "GET",
            "/.well-known/x402",
            "What is sold here, for catalogues of paid services",
        )
        .named("Service", "readDiscovery")
        .responds_plain(
            200,
            "The paid routes with what they ask for.",
            json_type,
            object(),
        ),
        Endpoint::new(
            "GET",
            "/llms.txt",
            "How to lease a container, for language models",
        )
        .named("Service", "readLlmsTxt")
        .responds_plain(200, "Markdown.", "text/markdown", text()),
    ]
}
