//! Writes the OpenAPI document.

use std::collections::BTreeMap;

use api_types::{ErrorCode, ErrorEnvelope};
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{
    endpoint::{BodySchema, Content, DocumentedResponse, Endpoint, RouteAccess},
    limits, payment,
};
use crate::{config::Config, payment::PaymentFlow};

/// SchemaSet of requests and responses, and the meaning of each error code.
struct SchemaSet {
    requests: SchemaGenerator,
    responses: SchemaGenerator,
    meanings: BTreeMap<String, String>,
    /// Error responses that routes share, by name.
    refusals: Map<String, Value>,
}

/// The description of the whole service.
const ABOUT: &str = "Time on Linux containers, paid per lease in USDC over HTTP 402 (x402, versions 1 and 2). \
    A paid route without a payment answers 402 with what to pay; the same request with a signed payment is performed. \
    A refusal before the settlement costs nothing; a lease is settled once its container answers, everything else before \
    it is done, and what was paid and cannot be delivered is answered `payment_owed`: do not pay again. A lease takes ten seconds and more: give the client time, or send \
    `Prefer: respond-async` and a random `Idempotency-Key` of 16 characters or more, to be kept secret, and repeat the request with the same key while it is \
    answered 202.";

/// Writes the document of these endpoints.
pub(super) fn write(endpoints: &[Endpoint], config: &Config) -> Value {
    let mut schemas = SchemaSet::new();
    let mut paths = Map::new();
    for endpoint in endpoints {
        let path = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        path[&endpoint.method] = operation(endpoint, &mut schemas);
    }
    let refusals = std::mem::take(&mut schemas.refusals);
    let mut components = schemas.definitions();
    limits::apply(&mut components, config);
    components.extend(payment::schemas());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "infra402 lease API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": format!("{}{ABOUT}{}", config.payments.play_money_notice(), config.tenants.abuse_notice()),
            "license": {"name": env!("CARGO_PKG_LICENSE")},
        },
        "servers": [{"url": config.public_base_url}],
        "paths": paths,
        "components": {
            "schemas": components,
            "headers": payment::headers(),
            "responses": refusals,
            "securitySchemes": {
                "walletSession": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The token of `POST /session`.",
                },
            },
        },
    })
}

impl SchemaSet {
    fn new() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = "/components/schemas".into();
                settings.meta_schema = None;
            })
        };
        let mut responses = settings().for_serialize().into_generator();
        responses.subschema_for::<ErrorEnvelope>();
        Self {
            requests: settings().for_deserialize().into_generator(),
            meanings: meanings(&responses.definitions()["ErrorCode"]),
            responses,
            refusals: Map::new(),
        }
    }

    fn definitions(mut self) -> Map<String, Value> {
        let mut all = self.requests.take_definitions(true);
        for (name, schema) in self.responses.take_definitions(true) {
            // Types of both directions have no defaults, so that both schemas are equal.
            debug_assert!(
                all.get(&name).is_none_or(|known| *known == schema),
                "{name}"
            );
            all.insert(name, schema);
        }
        all
    }
}

/// The documentation of each code.
fn meanings(codes: &Value) -> BTreeMap<String, String> {
    let listed = codes["oneOf"].as_array().into_iter().flatten();
    listed
        .filter_map(|code| {
            let meaning = code["description"].as_str()?;
            Some((code["const"].as_str()?.to_owned(), meaning.to_owned()))
        })
        .collect()
}

fn operation(endpoint: &Endpoint, schemas: &mut SchemaSet) -> Value {
    let mut written = json!({
        "operationId": endpoint.id,
        "tags": [endpoint.tag],
        "summary": endpoint.summary,
        "responses": responses(endpoint, schemas),
    });
    if !endpoint.details.is_empty() {
        written["description"] = endpoint.details.into();
    }
    let mut parameters = endpoint.parameters.clone();
    match endpoint.access {
        RouteAccess::Open => {}
        RouteAccess::Session { required: true } => {
            written["security"] = json!([{"walletSession": []}])
        }
        RouteAccess::Session { required: false } => {
            written["security"] = json!([{}, {"walletSession": []}]);
        }
        RouteAccess::Paid(flow) => {
            parameters.extend(payment::parameters());
            let moves = match flow {
                PaymentFlow::DeliverThenSettle => "after delivery",
                PaymentFlow::SettleThenDeliver => "before delivery",
            };
            written["x-payment-info"] = json!({
                "protocol": "x402", "versions": [1, 2], "scheme": "exact", "moneyMoves": moves,
            });
        }
    }
    if !parameters.is_empty() {
        written["parameters"] = parameters.into();
    }
    if let Some(content) = &endpoint.request {
        // Where something is priced, an absent body stands for the defaults.
        let absent =
            matches!(endpoint.access, RouteAccess::Paid(_)) || endpoint.path == "/lease/quote";
        written["requestBody"] = json!({
            "required": !absent,
            "content": body(content, &mut schemas.requests),
        });
    }
    written
}

fn body(content: &Content, schemas: &mut SchemaGenerator) -> Value {
    let schema = match &content.schema {
        BodySchema::Type(describe) => describe(schemas).to_value(),
        BodySchema::Plain(schema) => schema.clone(),
    };
    let mut written = json!({ "schema": schema });
    if let Some(example) = &content.example {
        written["example"] = example.clone();
    }
    json!({ content.media: written })
}

fn responses(endpoint: &Endpoint, schemas: &mut SchemaSet) -> Value {
    let mut written = Map::new();
    for response in &endpoint.responses {
        let documented = good_response(endpoint, response, schemas);
        written.insert(response.status.to_string(), documented);
    }
    let mut by_status: BTreeMap<u16, Vec<ErrorCode>> = BTreeMap::new();
    for code in &endpoint.errors {
        by_status.entry(code.status()).or_default().push(*code);
    }
    for (status, codes) in by_status {
        let names: Vec<_> = codes.iter().map(|code| code.as_str()).collect();
        let name = names.join("-");
        let reference = format!("#/components/responses/{name}");
        if !schemas.refusals.contains_key(&name) {
            let written = refusal(&codes, &schemas.meanings);
            schemas.refusals.insert(name, written);
        }
        written.insert(status.to_string(), json!({ "$ref": reference }));
    }
    if matches!(endpoint.access, RouteAccess::Paid(_)) {
        written.insert("402".into(), payment::required());
    }
    written.into()
}

fn good_response(
    endpoint: &Endpoint,
    response: &DocumentedResponse,
    schemas: &mut SchemaSet,
) -> Value {
    let mut written = json!({ "description": response.what });
    if let Some(content) = &response.content {
        written["content"] = body(content, &mut schemas.responses);
    }
    if matches!(endpoint.access, RouteAccess::Paid(_)) {
        written["headers"] = payment::receipt_headers();
        written["content"]["text/event-stream"] = payment::events();
    }
    written
}

fn refusal(codes: &[ErrorCode], meanings: &BTreeMap<String, String>) -> Value {
    let names: Vec<_> = codes.iter().map(|code| code.as_str()).collect();
    let lines: Vec<_> = names
        .iter()
        .map(|name| {
            let meaning = meanings.get(*name).map_or("", String::as_str);
            format!("`{name}`: {meaning}")
        })
        .collect();
    let example = ErrorEnvelope::new(codes[0], meanings[names[0]].clone(), "7c0f3a52");
    let mut written = json!({
        "description": lines.join("\n\n"),
        "content": {"application/json": {
            "schema": {
                "allOf": [{"$ref": "#/components/schemas/ErrorEnvelope"}],
                "properties": {"error": {"properties": {"code": {"enum": names}}}},
            },
            "example": example,
        }},
    });
    if codes.iter().any(|code| code.retryable()) {
        written["headers"] = json!({"Retry-After": {"$ref": "#/components/headers/RetryAfter"}});
    }
    written
}
