//! The routes that cost nothing, through the real router.

// A failed set-up is a failed test.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use http_body_util::BodyExt as _;
use proxmox_api::{app, config::Config};
use serde_json::{Value, json};
use service::{env::Env, metrics::Metrics};
use tower::ServiceExt as _;

async fn ask(method: &str, path: &str, body: &str) -> (StatusCode, Value) {
    // Public development account 1.
    let address = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
    let config = Config::from_env(Env::from_map([("ADDRESS", address)])).unwrap();
    let app = app(Arc::new(config), Metrics::install().unwrap());
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
    for body in [
        "{",
        "[1]",
        r#"{"password":7}"#,
        r#"{"runtimeMinutes":1,"hunter2":1}"#,
        "\u{feff}{}",
    ] {
        let (status, envelope) = ask("POST", "/lease/quote", body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(envelope["error"]["code"], "invalid_request");
        assert_eq!(envelope["error"]["requestId"], "test-1");
        assert!(!envelope.to_string().contains("hunter2"));
    }
    let huge = "x".repeat(10_000_000);
    assert_eq!(
        ask("POST", "/lease/quote", &huge).await.0,
        StatusCode::PAYLOAD_TOO_LARGE
    );
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
