//! The routes about credit and API keys, and what they add to the paid ones. All of it is left out
//! of the document where credit is off.

use api_types::{
    CreditDirection, CreditEntries, CreditEntry, CreditEntryKind, CreditResponse, ErrorCode::*,
    KeyChange, KeyCreated, KeyList, KeyRequest, KeyScope, KeyView, Secret, Timestamp, TopUpTerms,
    Usdc,
};
use serde_json::{Value, json};
use service::openapi::Endpoint;

use super::{
    examples,
    route_parts::{WalletSession as _, with_key},
};
use crate::{credit::TOP_UP_PATH, store::LARGEST_PAGE};

const ID: &str = "0f1e2d3c";

/// What a paid operation gains.
pub(super) fn of_paid(endpoint: Endpoint) -> Endpoint {
    let header = json!({
        "in": "header", "name": "Credit", "required": false,
        "description": "`use`: a request with a session and without a payment is paid from credit. `never`: one with an API key is not.",
        "schema": {"enum": ["use", "never"]},
    });
    with_key(endpoint.with_parameters([header])).refuses(&[
        Unauthorized,
        KeyRevoked,
        KeyExpired,
        KeyScope,
        KeyLimitExceeded,
    ])
}

/// These headers, and those of an answer that was paid from credit.
pub(super) fn headers_beside(mut others: Value) -> Value {
    let amount = |what: &str| json!({"description": what, "schema": {"type": "string", "pattern": "^[0-9]+$"}});
    others["Credit-Charged"] = amount("What the call has cost from credit, in atomic USDC.");
    others["Credit-Available"] = amount("What the wallet can spend besides.");
    others
}

/// The free routes.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let mut all = of_credit();
    all.extend(of_keys());
    all
}

fn of_credit() -> Vec<Endpoint> {
    let page = json!({"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": 50});
    vec![
        with_key(
            Endpoint::new("GET", "/credit", "What the wallet has paid in and not spent")
                .named("Credit", "readCredit")
                .details("`held` is set aside for calls that are not over. `lastsUntil` is for all live leases at the rates of today.")
                .responds(200, "Its credit.", &credit())
                .with_session(),
        )
        .refuses(&[KeyRevoked, KeyExpired, KeyScope, NotFound]),
        with_key(
            Endpoint::new("GET", "/credit/entries", "Every movement of the wallet's credit, the youngest first")
                .named("Credit", "listCreditEntries")
                .in_query("limit", page, "Movements on a page.")
                .in_query("before", json!({"type": "integer", "minimum": 0}), "The `next` of the page before.")
                .responds(200, "A page of movements.", &entries())
                .with_session(),
        )
        .refuses(&[KeyRevoked, KeyExpired, KeyScope]),
    ]
}

fn of_keys() -> Vec<Endpoint> {
    let about_one = |method, summary| {
        Endpoint::new(method, "/keys/{id}", summary)
            .in_path(
                "id",
                json!({"type": "string", "minLength": 1}),
                "The key's public id.",
            )
            .with_session()
            .refuses(&[NotFound, KeyRevoked, KeyExpired, KeyScope])
            .limited()
    };
    let key = key_view();
    vec![
        Endpoint::new("POST", "/keys", "Makes an API key that spends the wallet's credit")
            .named("Keys", "makeKey")
            .details(
                "The key is shown once. It goes in `Authorization: Bearer` of every route that takes a session or a payment and that its \
                 scopes allow; a key makes no other keys.",
            )
            .takes(&KeyRequest { name: "ci".to_owned(), limit_day: Some(Usdc(200_000)), ..KeyRequest::default() })
            .body_may_be_absent()
            .responds(201, "The key.", &KeyCreated { key: Secret::new("i402_shown-once"), view: key.clone() })
            .with_session()
            .refuses(&[KeyRevoked, KeyExpired, KeyScope])
            .limited(),
        Endpoint::new("GET", "/keys", "The wallet's API keys, the youngest first")
            .named("Keys", "listKeys")
            .responds(200, "The keys, revoked ones included.", &KeyList { keys: vec![key.clone()] })
            .with_session()
            .refuses(&[KeyRevoked, KeyExpired, KeyScope])
            .limited(),
        about_one("GET", "One API key of the wallet").named("Keys", "readKey").responds(200, "The key.", &key),
        about_one("PATCH", "Changes name and limits of an API key, or switches it off for a while")
            .named("Keys", "changeKey")
            .details("What is absent stays as it is; a limit that is null is removed. A limit below what is spent allows nothing more.")
            .takes(&KeyChange { limit_day: Some(Some(Usdc(500_000))), ..KeyChange::default() })
            .body_may_be_absent()
            .responds(200, "The key.", &key),
        about_one("DELETE", "Revokes an API key for good")
            .named("Keys", "revokeKey")
            .details("It acts at the next request; consoles that it opened close. Asked again, it answers the same.")
            .responds(200, "The key.", &key),
        with_key(
            Endpoint::new("GET", "/keys/current", "The API key that the request is sent with")
                .named("Keys", "readCurrentKey")
                .details("`remaining` is what its limits leave, or the wallet's credit where that is less.")
                .responds(200, "The key.", &key)
                .with_session(),
        )
        .refuses(&[NotFound, KeyRevoked, KeyExpired, KeyScope])
        .limited(),
    ]
}

fn credit() -> CreditResponse {
    CreditResponse {
        balance: Usdc(1_000_000),
        held: Usdc(100),
        available: Usdc(999_900),
        burn_per_hour: Usdc(8_000),
        lasts_until: Some(Timestamp(examples::NOW + 449_955)),
        spent_today: Usdc(12_000),
        top_up: TopUpTerms {
            method: "POST".to_owned(),
            path: TOP_UP_PATH.to_owned(),
            minimum: Usdc(100_000),
            suggested: Usdc(1_000_000),
            maximum: Usdc(99_000_000),
        },
    }
}

fn entries() -> CreditEntries {
    CreditEntries {
        entries: vec![CreditEntry {
            entry_id: 7,
            at: Timestamp(examples::NOW),
            kind: CreditEntryKind::Charge,
            direction: CreditDirection::Out,
            amount: Usdc(100),
            reference: "pay_0123456789abcdef01234567".to_owned(),
            key_id: Some(ID.to_owned()),
            lease_id: Some(examples::LEASE.to_owned()),
        }],
        next: None,
    }
}

fn key_view() -> KeyView {
    KeyView {
        id: ID.to_owned(),
        prefix: format!("i402_{ID}"),
        name: "ci".to_owned(),
        scopes: KeyScope::of_a_new_key(),
        lease_id: None,
        limit_total: None,
        limit_day: Some(Usdc(200_000)),
        limit_call: None,
        spent: Usdc(12_000),
        spent_today: Usdc(12_000),
        held: Usdc(100),
        remaining: Usdc(188_000),
        disabled: false,
        created_at: Timestamp(examples::NOW),
        expires_at: None,
        last_used_at: None,
        revoked_at: None,
    }
}
