//! The names that programs of customers and operators depend on. None of them may change or be
//! removed; a new name is added to its list here deliberately.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use api_types::ErrorCode;
use proxmox_api::{
    config::SCHEMA,
    store::{LeaseState, PaymentState},
};
use serde_json::Value;

use crate::{
    openapi::{document, mounted_routes},
    support::TestApp,
};

const ROUTES: &str = "
    DELETE /keys/{id}
    DELETE /lease/{ctid}
    DELETE /lease/{lease}/commands/{id}
    DELETE /lease/{lease}/files
    DELETE /lease/{lease}/ports/{port}
    DELETE /lease/{lease}/ssh-keys
    DELETE /session
    GET /.well-known/x402
    GET /catalog
    GET /console
    GET /console/ws
    GET /console/{version}/{file}
    GET /credit
    GET /credit/entries
    GET /demo/balance
    GET /docs
    GET /health
    GET /keys
    GET /keys/current
    GET /keys/{id}
    GET /lease/{lease}/access
    GET /lease/{lease}/commands
    GET /lease/{lease}/commands/{id}
    GET /lease/{lease}/files
    GET /lease/{lease}/ports
    GET /lease/{lease}/proxy
    GET /lease/{lease}/ssh
    GET /lease/{lease}/ssh-keys
    GET /lease/{lease}/usage
    GET /leases
    GET /leases/{leaseId}
    GET /llms.txt
    GET /management/list
    GET /metrics
    GET /openapi.json
    GET /payments
    GET /ready
    GET /stats/lxc
    GET /stats/node
    PATCH /keys/{id}
    POST /credit/top-up
    POST /demo/faucet
    POST /keys
    POST /lease/container
    POST /lease/quote
    POST /lease/{lease}/access
    POST /lease/{lease}/files
    POST /lease/{lease}/ports/{port}/visit
    POST /lease/{ctid}/renew
    POST /lease/{ctid}/start
    POST /lease/{ctid}/stop
    POST /management/console/{ctid}
    POST /management/exec/{ctid}
    POST /session
    POST /session/challenge
    PUT /lease/{lease}/files
    PUT /lease/{lease}/ports/{port}
    PUT /lease/{lease}/ssh-keys
";

const ERROR_CODES: &str = "
    invalid_request malformed_body malformed_payment invalid_pending unauthorized
    payment_required payment_invalid payment_refused forbidden not_found lease_not_found
    method_not_allowed request_timeout lease_conflict lease_limit_reached payment_replayed
    payment_owed payment_in_progress console_in_use lease_ended body_too_large
    unsupported_media_type rate_limited headers_too_large internal provisioning_failed
    hypervisor_error console_auth_unsupported model_error hypervisor_unavailable
    facilitator_unavailable payment_unresolved capacity_exhausted unavailable timeout
    key_revoked key_expired key_scope key_limit_exceeded
    command_not_found disk_full file_conflict file_not_found ssh_unavailable
";

const VARIABLES: &str = "
    ABUSE_CONTACT ADDRESS ALLOWED_ORIGINS ANNOUNCE_UPFRONT BIND CDP_API_KEY_ID
    CDP_API_KEY_SECRET CONFIRMATIONS CONSOLE_IDLE_MINUTES CONSOLE_MAX_MIB CREDIT CREDIT_MAX CREDIT_MAX_DAY
    CREDIT_MIN_TOP_UP DATABASE FACILITATOR
    FACILITATOR_TIMEOUT_SECONDS FAILED_PAYMENTS_PER_MINUTE FREE_CALLS_PER_MINUTE GAS_COIN_USD
    GAS_KEY GAS_LIMIT_CONTRACT GAS_LIMIT_ORDINARY GAS_MAX_FEE_GWEI GUEST_DOMAIN GUEST_PROXY GUEST_SSH
    GUEST_SSH_SOURCE HELD_HOURS INGRESS_PORT INSTALLATION_KEY
    LEASES_IN_FLIGHT_PER_ADDRESS LEASES_IN_FLIGHT_PER_WALLET LEASES_PER_WALLET
    LEASE_GRACE_MINUTES LOG_FORMAT MAX_CORES MAX_DISK_GB MAX_MEMORY_MB MAX_RESERVED_PER_WALLET
    MAX_RUNTIME_MINUTES MAX_UNPAID_LEASES MIN_BILLED_MINUTES MIN_DEPLOY_PRICE NETWORK ORPHAN_KEEP_HOURS PORT
    PRICE_BASE PRICE_CALL PRICE_CALL_CREDIT PRICE_CORE_HOUR PRICE_DISK_GIB_HOUR PRICE_MEMORY_GIB_HOUR
    PUBLIC_BASE_URL PVE_BRIDGE PVE_CA_FILE PVE_CONSOLE_PASSWORD PVE_CONSOLE_USER
    PVE_CREATES_PER_NODE PVE_ENDS_PER_NODE PVE_FENCE PVE_FINGERPRINT PVE_GATEWAY PVE_HOST
    PVE_NAMESERVERS PVE_NETWORK PVE_NODE PVE_OS_TEMPLATE PVE_POOL PVE_RATE_MBIT_PER_CORE
    PVE_ROOT_PASSWORD PVE_SECURITY_GROUP PVE_SIMULATED PVE_STORAGE PVE_TOKEN_ID PVE_TOKEN_SECRET
    PVE_VERIFY_SSL PVE_VLAN PVE_VMID_RANGE REFUSED_WALLETS REPLICA_ADDRESS RPC_URL RUST_LOG SERVICES_SECRET
    SSH_PORT
    TRAFFIC_GIB_PER_HOUR TRAFFIC_STOP_HOURS TRUSTED_PROXIES
";

const METRICS: &str = "
    commands_total connections_refused_total consoles_closed_total consoles_open containers_foreign
    containers_moved_total containers_orphaned containers_started_after_boot_total
    containers_starting_again containers_under_pressure credit_liability_atomic gas_key_gaps_total guest_connections
    held_machines_total
    http_request_duration_seconds http_requests_total ingress_requests_total
    lease_end_lateness_seconds lease_ends_in_hand lease_ends_slow lease_ends_waiting leases
    leases_by_traffic_step leases_in_trouble leases_lost leases_lost_total leases_refused_total
    machines_unpaid_total nodes_unfenced payment_failures_limited_total payments_due_atomic
    payments_refused_wallet_total payments_total payments_unresolved
    payments_without_transfer_total proxmox_errors_total settlement_seconds storage_used_ratio
    storages_nearly_full traffic_bytes_total traffic_doubtful_total traffic_steps_total
";

/// Kinds of rows in the table `events`.
const EVENT_KINDS: &str = "
    activated claimed command_run console_closed console_opened console_ticket container_lost
    container_moved debt_credited destroy_requested destroyed expires_soon fence_closed fence_open
    held_given_up held_stopped key_made key_revoked marker_written name_put_back name_taken_down orphan_found orphan_removed
    payment_evidence_replaced payment_found_refused payment_found_settled payment_owed
    payment_refused payment_unknown payment_unresolved payment_without_transfer
    port_closed port_published powered_off_inside renewed resolved_by_operator ssh_key_added
    ssh_key_removed ssh_set_up started_after_boot stopped switched_off
    switched_on traffic_cut topped_up traffic_restored traffic_slowed traffic_stopped
";

/// The column `state` of the table `payments`.
const PAYMENT_STATES: &str = "
    reserved verified settling settled refused unknown unresolved released answered
";

/// The column `state` of the table `leases`.
const LEASE_STATES: &str = "
    provisioning create_sent created probed active expiring stopped undoing destroying destroyed
";

/// The states of a payment in responses.
const PAYMENT_STATES_IN_RESPONSES: &str = "
    reserved verified released settling reconciling unresolved settled owed refused
";

/// The states of a lease in responses.
const LEASE_STATES_IN_RESPONSES: &str = "
    provisioning settling reconciling active expiring stopped undoing destroyed
";

/// Fails with the names that are missing or new.
fn assert_names(what: &str, agreed: &str, actual: impl IntoIterator<Item = impl Into<String>>) {
    let agreed: BTreeSet<String> = agreed.split_whitespace().map(str::to_owned).collect();
    let actual: BTreeSet<String> = actual.into_iter().map(Into::into).collect();
    let missing: Vec<_> = agreed.difference(&actual).collect();
    let new: Vec<_> = actual.difference(&agreed).collect();
    assert!(
        missing.is_empty() && new.is_empty(),
        "{what}: missing {missing:?}, not in the list {new:?}"
    );
}

#[tokio::test]
async fn paths_and_methods_stay() {
    let app = TestApp::with_credit().await;
    let agreed: BTreeSet<String> = ROUTES
        .trim()
        .lines()
        .map(|line| line.trim().into())
        .collect();
    let mounted = mounted_routes(&app).await.into_iter();
    let mounted: BTreeSet<String> = mounted
        .map(|(path, method)| format!("{method} {path}"))
        .collect();
    assert_eq!(agreed, mounted);
}

#[tokio::test]
async fn states_in_responses_stay() {
    let app = TestApp::with_credit().await;
    let document = document(&app).await;
    let names = |schema: &str| {
        let values = document["components"]["schemas"][schema]["oneOf"].as_array();
        let constants = values.unwrap().iter().map(|value| &value["const"]);
        constants.filter_map(Value::as_str).collect::<Vec<_>>()
    };
    assert_names(
        "payment states in responses",
        PAYMENT_STATES_IN_RESPONSES,
        names("PaymentState"),
    );
    assert_names(
        "lease states in responses",
        LEASE_STATES_IN_RESPONSES,
        names("LeaseStatus"),
    );
}

#[test]
fn stored_states_stay() {
    let payments = PaymentState::ALL.map(PaymentState::as_str);
    assert_names("payment states", PAYMENT_STATES, payments);
    assert_names(
        "lease states",
        LEASE_STATES,
        LeaseState::ALL.map(LeaseState::as_str),
    );
}

#[test]
fn error_codes_stay() {
    let codes = ErrorCode::ALL.iter().map(|code| code.as_str());
    assert_names("error codes", ERROR_CODES, codes);
}

#[test]
fn environment_variables_stay() {
    let variables = SCHEMA.variables().map(|variable| variable.name);
    assert_names("variables", VARIABLES, variables);
}

/// The metrics endpoint shows only metrics that were recorded in this process, so the test reads
/// the sources.
#[test]
fn metric_names_stay() {
    let folders = ["src", "../crates/service/src", "../crates/x402/src"];
    let sources = folders.into_iter().flat_map(sources);
    let names: BTreeSet<String> = sources.flat_map(|text| metrics_in(&text)).collect();
    assert_names("metrics", METRICS, names);
}

/// Kinds are passed as literals to the functions that record an event, or chosen by a `match`
/// before.
#[test]
fn event_kinds_stay() {
    let sources: Vec<String> = sources("src").collect();
    let agreed: BTreeSet<&str> = EVENT_KINDS.split_whitespace().collect();
    for kind in &agreed {
        let literal = format!("\"{kind}\"");
        let is_used = sources.iter().any(|text| text.contains(&literal));
        assert!(is_used, "no code records an event of the kind {kind}");
    }
    let given = sources.iter().flat_map(|text| event_kinds_in(text));
    let new: BTreeSet<String> = given
        .filter(|kind| !agreed.contains(kind.as_str()))
        .collect();
    assert!(new.is_empty(), "not in the list: {new:?}");
}

/// The texts of all source files in a folder of this package, without those of tests.
fn sources(folder: &str) -> impl Iterator<Item = String> {
    let mut folders: Vec<PathBuf> = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    let mut texts = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.file_stem().is_some_and(|name| name == "tests") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let tests = text.find("#[cfg(test)]\nmod tests {");
                texts.push(text[..tests.unwrap_or(text.len())].to_owned());
            }
        }
    }
    texts.into_iter()
}

/// The first arguments of the macros that record a metric; a constant's name becomes its value.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for macro_name in [
        "metrics::counter!(",
        "metrics::gauge!(",
        "metrics::histogram!(",
    ] {
        for (at, _) in text.match_indices(macro_name) {
            let rest = text[at + macro_name.len()..].trim_start();
            let name = match rest.strip_prefix('"') {
                Some(literal) => literal.split('"').next(),
                None => {
                    let constant = rest.split([',', ')']).next().unwrap();
                    let definition = format!("const {constant}: &str = \"");
                    let value = text.split_once(&definition).map(|(_, value)| value);
                    value.and_then(|value| value.split('"').next())
                }
            };
            names.extend(name.map(str::to_owned));
        }
    }
    names
}

/// The literals among the first three arguments of the functions that record an event.
fn event_kinds_in(text: &str) -> BTreeSet<String> {
    let mut kinds = BTreeSet::new();
    for call in [
        ".note(",
        ".record_event(",
        "Change::event(",
        ".append_event(",
    ] {
        for (at, _) in text.match_indices(call) {
            let arguments = text[at + call.len()..].split([',', ';']).take(3);
            let literal = |text: &str| {
                let text = text.trim().strip_prefix('"')?.strip_suffix('"')?;
                Some(text.to_owned())
            };
            kinds.extend(arguments.filter_map(literal));
        }
    }
    kinds
}
