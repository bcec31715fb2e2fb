//! The routes that cost nothing, through the real router.

// A failed set-up is a failed test.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use http_body_util::BodyExt as _;
use proxmox_api::{App, app, config::Config};
use serde_json::{Value, json};
use service::{clock::ManualClock, env::Env, metrics::Metrics};
use tower::ServiceExt as _;

async fn ask(method: &str, path: &str, body: &str) -> (StatusCode, Value) {
    // Public development account 1.
    let address = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
    let config = Config::from_env(Env::from_map([("ADDRESS", address)])).unwrap();
    let state = App {
        config: Arc::new(config),
        clock: Arc::new(ManualClock::at(1_800_000_000)),
    };
    let app = app(state, Metrics::install().unwrap());
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("x-request-id", "test-1")
        .body(Body::from(body.to_owned()))
        .unwrap();
    let response = app.oneshot(request).await.unwrap();
    assert_eq!(response.headers()["x-request-id"], "test-1");
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (
        status,
        serde_json::from_slice(&bytes).unwrap_or(Value::Null),
    )
}

#[tokio::test]
async fn a_quote_is_the_price_of_the_body_with_line_items() {
    let body = r#"{"sku":"small","runtimeMinutes":60,"cores":1,"memoryMB":512,"diskGB":8}"#;
    let (status, quote) = ask("POST", "/lease/quote", body).await;
    assert_eq!(
        (status, &quote["acceptable"]),
        (StatusCode::OK, &json!(true))
    );
    assert_eq!(quote["price"]["total"], "10000");
    assert_eq!(quote["validUntil"], "2027-01-15T08:05:00Z");
    let lines = quote["price"]["lines"].as_array().unwrap();
    let sum: u64 = lines
        .iter()
        .map(|l| l["amount"].as_str().unwrap().parse::<u64>().unwrap())
        .sum();
    assert_eq!(sum, 10_000);
    let absent = ask("POST", "/lease/quote", "").await;
    assert_eq!(
        (absent.0, &absent.1["acceptable"]),
        (StatusCode::OK, &json!(true))
    );
}

#[tokio::test]
async fn a_quote_names_every_field_that_would_be_refused() {
    let body = r#"{"sku":"small","runtimeMinutes":0,"cores":64,"memoryMB":1,"diskGB":9999,"hostname":"-bad_"}"#;
    let (status, quote) = ask("POST", "/lease/quote", body).await;
    assert_eq!(
        (status, &quote["acceptable"]),
        (StatusCode::OK, &json!(false))
    );
    let fields: Vec<_> = quote["fieldErrors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["field"].as_str().unwrap())
        .collect();
    for field in ["runtimeMinutes", "cores", "memoryMB", "diskGB", "hostname"] {
        assert!(fields.contains(&field), "{field} is not among {fields:?}");
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused_without_being_repeated() {
    let cases = [
        ("{", "malformed_body"),
        ("\u{feff}{}", "malformed_body"),
        ("[1]", "invalid_request"),
        (r#"{"password":7}"#, "invalid_request"),
        (r#"{"runtimeMinutes":-1}"#, "invalid_request"),
        (r#"{"runtimeMinutes":1,"hunter2":1}"#, "invalid_request"),
    ];
    for (body, code) in cases {
        let (status, envelope) = ask("POST", "/lease/quote", body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(envelope["error"]["code"], code, "{body}");
        assert_eq!(envelope["error"]["requestId"], "test-1");
        assert!(!envelope.to_string().contains("hunter2"));
    }
    // The depth of the free-form field is bounded by the field's own reader.
    let deep = format!("{}{}", r#"{"payload":"#, "[".repeat(100_000));
    let (status, envelope) = ask("POST", "/lease/quote", &deep).await;
    assert_eq!(
        (status, &envelope["error"]["code"]),
        (StatusCode::BAD_REQUEST, &json!("invalid_request"))
    );
}

#[tokio::test]
async fn every_error_is_an_envelope() {
    let huge = "x".repeat(10_000_000);
    let cases = [
        ("POST", "/lease/quote", huge.as_str(), 413, "body_too_large"),
        ("GET", "/nowhere", "", 404, "not_found"),
        ("DELETE", "/lease/quote", "", 405, "method_not_allowed"),
        ("POST", "/health", "", 405, "method_not_allowed"),
    ];
    for (method, path, body, status, code) in cases {
        let (seen, envelope) = ask(method, path, body).await;
        assert_eq!(
            (seen.as_u16(), &envelope["error"]["code"]),
            (status, &json!(code))
        );
        assert_eq!(envelope["error"]["requestId"], "test-1");
    }
}

#[tokio::test]
async fn the_catalogue_says_where_and_to_whom_is_paid() {
    let (status, catalog) = ask("GET", "/catalog", "").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(catalog["network"], "eip155:84532");
    assert_eq!(
        catalog["payTo"],
        "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
    );
    assert_eq!(catalog["limits"]["cores"], json!({"min": 1, "max": 8}));
    assert_eq!(ask("GET", "/health", "").await.0, StatusCode::OK);
}
