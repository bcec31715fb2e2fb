//! How a lease appears in the OpenAPI document.

use std::collections::BTreeMap;

use api_types::{
    ErrorCode::{CapacityExhausted, LeaseConflict, LeaseLimitReached, ProvisioningFailed, Timeout},
    LeaseResponse, LeaseStatus, Secret, Timestamp,
};

use super::LeaseContainer;
use crate::openapi::{Content, Documentation, Documented, examples};

impl Documented for LeaseContainer {
    fn documentation() -> Documentation {
        Documentation {
            id: "leaseContainer",
            tag: "Leases",
            details: "The container is made, started and seen to answer before the money moves; \
                the paid minutes count from then on. An absent body is priced as the default \
                lease. With `Accept: text/event-stream` each step is told.",
            request: Some(Content::json(&examples::lease_request())),
            answered: "The container runs. A password is shown once, if it was made here.",
            response: Content::json(&response()),
            held: Some((
                "It is not known yet whether the payment moved money; the container is held. \
                 Or, with `Prefer: respond-async`, the request is admitted; the same one gets the \
                 answer.",
                Content::json(&held()),
            )),
            refusals: &[
                LeaseLimitReached,
                LeaseConflict,
                ProvisioningFailed,
                CapacityExhausted,
                Timeout,
            ],
        }
    }
}

fn response() -> LeaseResponse {
    LeaseResponse {
        lease_id: examples::LEASE.into(),
        status: LeaseStatus::Active,
        ctid: 40200,
        expires_at: Timestamp(examples::NOW + 3600),
        message: "box is running until 2026-09-21T15:13:20Z.".into(),
        owner_wallet: examples::WALLET.into(),
        hostname: "box".into(),
        node: "pve".into(),
        ip: Some("10.0.0.5".into()),
        network_ready_at: None,
        password: Some(Secret::new("made-once-and-shown-once")),
        price: examples::price_of(60),
        payment: examples::receipt(),
        ssh: None,
    }
}

fn held() -> BTreeMap<String, String> {
    [
        ("leaseId", examples::LEASE),
        ("status", "reconciling"),
        ("statusUrl", "/leases/lease_5b0c9e1f7a32"),
        (
            "message",
            "It is not known yet whether the payment moved money.",
        ),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}
