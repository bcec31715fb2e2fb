//! `GET /openapi.json`: the contract, generated from the types that the routes use.

use std::sync::LazyLock;

use api_types::{
    AgentInfo, ChatEvent, ChatRequest, ChatResponse, ErrorEnvelope, LxcStats, NodeStats,
};
use axum::{Json, Router, routing::get};
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::read::MAX_HISTORY_READ;
use crate::{App, conversation::MAX_MESSAGE, pending::MAX_SEALED};

static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

/// The route.
pub fn router() -> Router<App> {
    Router::new().route("/openapi.json", get(async || Json(DOCUMENT.clone())))
}

fn document() -> Value {
    let mut types = SchemaSettings::openapi3().into_generator();
    let events = schema::<ChatEvent>(&mut types);
    let chat = json!({
        "summary": "One turn of a conversation",
        "description": "Answers as JSON, or with `Accept: text/event-stream` as server-sent events whose names are the events' \
            types. An answer with `pending` waits for the customer: send it back with `payment_headers`, `confirm` or `cancel`.",
        "requestBody": { "required": true, "content": content::<ChatRequest>(&mut types) },
        "responses": {
            "200": {
                "description": "The agent's answer",
                "content": {
                    "application/json": { "schema": schema::<ChatResponse>(&mut types) },
                    "text/event-stream": { "schema": events },
                },
            },
            "default": failure(&mut types),
        },
    });
    let paths = json!({
        "/chat": { "post": chat },
        "/info": { "get": reads::<AgentInfo>(&mut types, "Who answers here") },
        "/stats/node": { "get": reads::<NodeStats>(&mut types, "How busy the hosts are, as the lease API says") },
        "/stats/lxc": { "get": reads::<LxcStats>(&mut types, "How busy the containers are, as the lease API says") },
        "/health": { "get": plain("The process answers") },
        "/ready": { "get": plain("Whether the lease API and the model can be used") },
        "/metrics": { "get": plain("Numbers in the Prometheus text format") },
    });
    let mut schemas = types.take_definitions(true);
    narrow(&mut schemas);
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

/// Adds the rules that `read` checks beyond the types: a message or a suspended call is required,
/// and both have a maximum length.
fn narrow(schemas: &mut Map<String, Value>) {
    let Some(request) = schemas.get_mut("ChatRequest") else {
        return;
    };
    let words =
        json!({ "required": ["message"], "properties": { "message": { "pattern": r"\S" } } });
    let goes_on =
        json!({ "required": ["pending"], "properties": { "pending": { "type": "string" } } });
    request["anyOf"] = json!([words, goes_on]);
    let properties = &mut request["properties"];
    properties["message"]["maxLength"] = MAX_MESSAGE.into();
    properties["pending"]["maxLength"] = MAX_SEALED.into();
    properties["history"]["maxItems"] = MAX_HISTORY_READ.into();
}

fn schema<T: JsonSchema>(types: &mut SchemaGenerator) -> Value {
    types.subschema_for::<T>().to_value()
}

fn content<T: JsonSchema>(types: &mut SchemaGenerator) -> Value {
    json!({ "application/json": { "schema": schema::<T>(types) } })
}

fn failure(types: &mut SchemaGenerator) -> Value {
    let what = "A refusal or failure; nothing was charged unless the code is payment_unresolved";
    json!({ "description": what, "content": content::<ErrorEnvelope>(types) })
}

fn reads<T: JsonSchema>(types: &mut SchemaGenerator, summary: &str) -> Value {
    let answer = json!({ "description": summary, "content": content::<T>(types) });
    json!({ "summary": summary, "responses": { "200": answer, "default": failure(types) } })
}

fn plain(summary: &str) -> Value {
    json!({ "summary": summary, "responses": { "200": { "description": summary } } })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every reference in the document can be resolved.
    #[test]
    fn all_references_in_the_document_can_be_resolved() {
        let document = document();
        let mut references = Vec::new();
        collect(&document, &mut references);
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

    fn collect(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    match (name.as_str(), member) {
                        ("$ref", Value::String(reference)) => found.push(reference.clone()),
                        _ => collect(member, found),
                    }
                }
            }
            Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
            _ => {}
        }
    }
}
