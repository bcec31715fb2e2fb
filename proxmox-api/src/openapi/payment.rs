//! Payments on the wire, in both versions of x402. The protocol's types keep unknown members, so
//! their schemas are written here; tests compare them with real responses.

use serde_json::{Map, Value, json};
use service::openapi::{Content, DocumentedResponse};

/// The request headers of a paid route.
pub(super) fn parameters() -> [Value; 4] {
    let header = |name: &str, what: &str| {
        json!({
            "in": "header", "name": name, "required": false, "description": what,
            "schema": {"type": "string"},
        })
    };
    [
        header(
            "PAYMENT-SIGNATURE",
            "Version 2: the signed payment, base64 of JSON.",
        ),
        header(
            "X-PAYMENT",
            "Version 1: the signed payment, base64 of JSON.",
        ),
        json!({
            "in": "header", "name": "Idempotency-Key", "required": false,
            "description": "A random secret of the client's, 16 to 128 printable characters: under it the same request is given the \
                same answer again for a day, passwords included, and charged once. A shorter one, or one that holds a part of the \
                payment, makes a repeated purchase the same purchase too, but shows no answer.",
            "schema": {"type": "string", "pattern": "^[!-~]{1,128}$"},
        }),
        header(
            "Prefer",
            "`respond-async`: 202 once the request is admitted, where it has an Idempotency-Key or a session; the same request \
             under the same key then gets the answer. `wait=N` waits so many seconds for it first.",
        ),
    ]
}

/// The 402 of a paid route.
pub(super) fn required() -> DocumentedResponse {
    let schema = json!({"$ref": "#/components/schemas/X402PaymentRequirementsResponse"});
    let example = json!({
        "x402Version": 1,
        "error": "Payment required",
        "message": "Pay one of the ways in `accepts` and send the request again.",
        "accepts": [requirement(&json!({
            "network": "base-sepolia", "maxAmountRequired": "10000", "resource": "https://lease.example.org/lease/container",
            "description":
                "A Linux container for the time asked for, with 20 GiB of sent traffic for each hour",
            "mimeType": "application/json",
        }))],
    });
    DocumentedResponse::new(
        402,
        "What to pay: version 2 reads the header PAYMENT-REQUIRED, version 1 the body. `error` is the code of why an enclosed \
         payment was not taken, and `message` a sentence for people. After a settlement that was refused there is a receipt in place of PAYMENT-REQUIRED; \
         nothing was charged.",
    )
    .with_headers(json!({
        "PAYMENT-REQUIRED": {"$ref": "#/components/headers/PaymentRequired"},
        "PAYMENT-RESPONSE": {"$ref": "#/components/headers/PaymentResponse"},
        "X-PAYMENT-RESPONSE": {"$ref": "#/components/headers/PaymentResponse"},
    }))
    .with_content(Content::plain("application/json", schema).with_example(example))
}

fn requirement(own: &Value) -> Value {
    let mut all = json!({
        "scheme": "exact", "payTo": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8", "maxTimeoutSeconds": 300,
        "asset": "0x036CbD53842c5426634e7929541eC2318f3dCF7e", "extra": {"name": "USDC", "version": "2"},
    });
    if let (Some(all), Some(own)) = (all.as_object_mut(), own.as_object()) {
        all.extend(own.clone());
    }
    all
}

/// The response headers with a receipt.
pub(super) fn receipt_headers() -> Value {
    json!({
        "PAYMENT-RESPONSE": {"$ref": "#/components/headers/PaymentResponse"},
        "X-PAYMENT-RESPONSE": {"$ref": "#/components/headers/PaymentResponse"},
    })
}

/// The event stream of a request that accepts one.
pub(super) fn events() -> Content {
    let example = "event: creating\ndata: {}\n\nevent: result\ndata: {\"status\":200,\"body\":{},\"receipt\":{}}\n\n";
    Content::plain("text/event-stream", json!({"type": "string"})).with_example(example.into())
}

/// Headers of the protocol.
pub(super) fn headers() -> [(String, Value); 2] {
    let base64 = |what: &str, reference: &str| {
        json!({
            "description": what, "schema": {
                "type": "string", "contentEncoding": "base64", "contentMediaType": "application/json",
                "contentSchema": {"$ref": reference},
            },
        })
    };
    let required = base64(
        "Version 2: what to pay, base64 of JSON.",
        "#/components/schemas/X402PaymentRequired",
    );
    let response = base64(
        "The receipt, base64 of JSON, in the header of the payment's version.",
        "#/components/schemas/X402Receipt",
    );
    [("PaymentRequired", required), ("PaymentResponse", response)]
        .map(|(name, header)| (name.to_owned(), header))
}

/// Schemas of the protocol's bodies.
pub(super) fn schemas() -> Map<String, Value> {
    let text = json!({"type": "string"});
    let amount = json!({"type": "string", "pattern": "^[0-9]+$", "description": "Atomic units of the token."});
    let (address, seconds) = (
        json!({"type": "string", "pattern": "^0x[0-9a-fA-F]{40}$"}),
        json!({"type": "integer", "minimum": 1}),
    );
    let object = |required: &[&str], properties: Value| json!({"type": "object", "required": required, "properties": properties});
    let v1 = object(
        &[
            "scheme",
            "network",
            "maxAmountRequired",
            "resource",
            "description",
            "mimeType",
            "payTo",
            "maxTimeoutSeconds",
            "asset",
        ],
        json!({
            "scheme": {"const": "exact"}, "network": text, "maxAmountRequired": amount,
            "resource": {"type": "string", "format": "uri"}, "description": text, "mimeType": text, "payTo": address,
            "maxTimeoutSeconds": seconds, "asset": address, "outputSchema": {"type": "object"}, "extra": {"type": "object"},
        }),
    );
    let v2 = object(
        &[
            "scheme",
            "network",
            "amount",
            "asset",
            "payTo",
            "maxTimeoutSeconds",
            "extra",
        ],
        json!({
            "scheme": {"const": "exact"}, "network": {"type": "string", "description": "CAIP-2."}, "amount": amount,
            "asset": address, "payTo": address, "maxTimeoutSeconds": seconds, "extra": {"type": "object"},
        }),
    );
    let all = [
        (
            "X402PaymentRequirementsResponse",
            object(
                &["x402Version", "error", "accepts"],
                json!({"x402Version": {"const": 1}, "error": text, "message": text, "accepts": {"type": "array", "items": v1}}),
            ),
        ),
        (
            "X402PaymentRequired",
            object(
                &["x402Version", "resource", "accepts"],
                json!({
                    "x402Version": {"const": 2}, "error": text,
                    "resource": object(&["url"], json!({"url": {"type": "string", "format": "uri"}, "description": text, "mimeType": text})),
                    "accepts": {"type": "array", "items": v2}, "extensions": {"type": "object"},
                }),
            ),
        ),
        (
            "X402Receipt",
            object(
                &["success", "transaction", "network"],
                json!({
                    "success": {"type": "boolean"}, "errorReason": text, "transaction": text, "network": text, "payer": address,
                }),
            ),
        ),
    ];
    all.map(|(name, schema)| (name.to_owned(), schema))
        .into_iter()
        .collect()
}
