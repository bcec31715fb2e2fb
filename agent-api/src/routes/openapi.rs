//! `GET /openapi.json`: the contract, generated from the types that the routes use.

use std::sync::LazyLock;

use api_types::{AgentInfo, ChatEvent, ChatRequest, ChatResponse, LxcStats, NodeStats};
use axum::{Json, Router, routing::get};
use schemars::JsonSchema;
use serde_json::{Map, Value, json};
use service::openapi::{
    Content, DocumentedResponse, Endpoint, OpenApiParts, OpenApiVersion, describe, narrow,
};

use super::read::MAX_HISTORY_READ;
use crate::{App, conversation::MAX_MESSAGE, pending::MAX_SEALED};

static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

/// The route.
pub fn router() -> Router<App> {
    Router::new().route("/openapi.json", get(async || Json(DOCUMENT.clone())))
}

const FAILURE: &str =
    "A refusal or failure; nothing was charged unless the code is payment_unresolved";

fn document() -> Value {
    let OpenApiParts {
        paths, mut schemas, ..
    } = describe(OpenApiVersion::V3_0, &endpoints());
    add_rules(&mut schemas);
    json!({
        "openapi": "3.0.3",
        "info": {
            "title": "infra402 agent",
            "description": "Leases Linux containers by conversation; payments are signed in the customer's own wallet.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "paths": paths,
        "components": { "schemas": schemas },
    })
}

fn endpoints() -> [Endpoint; 7] {
    let answer = DocumentedResponse::new(200, "The agent's answer")
        .with_content(Content::of_type::<ChatResponse>())
        .with_content(Content::of_media_type::<ChatEvent>("text/event-stream"));
    let chat = Endpoint::new("POST", "/chat", "One turn of a conversation")
        .details(
            "Answers as JSON, or with `Accept: text/event-stream` as server-sent events whose names are the events' \
             types. An answer with `pending` waits for the customer: send it back with `payment_headers`, `confirm` or `cancel`.",
        )
        .takes_content(Content::of_type::<ChatRequest>())
        .responds_as(answer)
        .otherwise_fails(FAILURE);
    [
        chat,
        reads::<AgentInfo>("/info", "Who answers here"),
        reads::<NodeStats>(
            "/stats/node",
            "How busy the hosts are, as the lease API says",
        ),
        reads::<LxcStats>(
            "/stats/lxc",
            "How busy the containers are, as the lease API says",
        ),
        reads_plain("/health", "The process answers"),
        reads_plain("/ready", "Whether the lease API and the model can be used"),
        reads_plain("/metrics", "Numbers in the Prometheus text format"),
    ]
}

fn reads<T: JsonSchema>(path: &'static str, summary: &'static str) -> Endpoint {
    let response = DocumentedResponse::new(200, summary).with_content(Content::of_type::<T>());
    Endpoint::new("GET", path, summary)
        .responds_as(response)
        .otherwise_fails(FAILURE)
}

fn reads_plain(path: &'static str, summary: &'static str) -> Endpoint {
    Endpoint::new("GET", path, summary).responds_nothing(200, summary)
}

/// Adds the rules that `read` checks beyond the types: a message or a suspended call is required,
/// and both have a maximum length.
fn add_rules(schemas: &mut Map<String, Value>) {
    let lengths = [
        ("message", json!({ "maxLength": MAX_MESSAGE })),
        ("pending", json!({ "maxLength": MAX_SEALED })),
        ("history", json!({ "maxItems": MAX_HISTORY_READ })),
    ];
    narrow(schemas, "ChatRequest", lengths);
    let message =
        json!({ "required": ["message"], "properties": { "message": { "pattern": r"\S" } } });
    let suspended_call =
        json!({ "required": ["pending"], "properties": { "pending": { "type": "string" } } });
    if let Some(request) = schemas.get_mut("ChatRequest") {
        request["anyOf"] = json!([message, suspended_call]);
    }
}

#[cfg(test)]
mod tests {
    use service::openapi::references;

    use super::*;

    /// Every reference in the document can be resolved.
    #[test]
    fn all_references_in_the_document_can_be_resolved() {
        let document = document();
        let references = references(&document);
        assert!(references.len() > 10);
        for reference in references {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(
                document.pointer(pointer).is_some(),
                "{reference} leads nowhere"
            );
        }
        let request = document
            .pointer("/components/schemas/ChatRequest/properties")
            .unwrap();
        for member in [
            "message",
            "history",
            "payment_headers",
            "pending",
            "secrets",
            "confirm",
            "cancel",
        ] {
            assert!(request.get(member).is_some(), "{member}");
        }
    }
}
