//! Writes the OpenAPI document around the routes.

use serde_json::{Value, json};
use service::openapi::{Endpoint, OpenApiVersion, describe};

use super::{limits, payment, route_parts};
use crate::config::Config;

/// The description of the whole service.
const ABOUT: &str = "Time on Linux containers, paid per lease in USDC over HTTP 402 (x402, versions 1 and 2). \
    A paid route without a payment answers 402 with what to pay; the same request with a signed payment is performed. \
    A refusal before the settlement costs nothing; a lease is settled once its container answers, everything else before \
    it is done, and what was paid and cannot be delivered is answered `payment_owed`: do not pay again. A lease takes ten seconds and more: give the client time, or send \
    `Prefer: respond-async` and a random `Idempotency-Key` of 16 characters or more, to be kept secret, and repeat the request with the same key while it is \
    answered 202.";

/// Writes the document of these endpoints.
pub(super) fn write(endpoints: &[Endpoint], config: &Config) -> Value {
    let mut parts = describe(OpenApiVersion::V3_1, endpoints);
    limits::apply(&mut parts.schemas, config);
    parts.schemas.extend(payment::schemas());
    parts.headers.extend(payment::headers());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "infra402 lease API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": format!("{}{ABOUT}{}", config.payments.play_money_notice(), config.tenants.abuse_notice()),
            "license": {"name": env!("CARGO_PKG_LICENSE")},
        },
        "servers": [{"url": config.public_base_url}],
        "paths": parts.paths,
        "components": {
            "schemas": parts.schemas,
            "headers": parts.headers,
            "responses": parts.responses,
            "securitySchemes": route_parts::security_schemes(),
        },
    })
}
