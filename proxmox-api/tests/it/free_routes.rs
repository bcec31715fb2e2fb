//! The routes that cost nothing, through the real router.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{buyer::Buyer, support::TestApp};

async fn ask(method: &str, path: &str, body: &str) -> (StatusCode, Value) {
    let app = TestApp::start().await;
    ask_of(&app, method, path, body).await
}

async fn ask_of(app: &TestApp, method: &str, path: &str, body: &str) -> (StatusCode, Value) {
    let method: Method = method.parse().unwrap();
    let request = app.http.request(method, format!("{}{path}", app.url));
    let request = request
        .header("x-request-id", "test-1")
        .body(body.to_owned());
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["x-request-id"], "test-1");
    (
        response.status(),
        response.json().await.unwrap_or(Value::Null),
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
async fn a_quote_names_a_template_that_is_not_on_offer() {
    let body = r#"{"runtimeMinutes":60,"template":"windows-95"}"#;
    let (status, quote) = ask("POST", "/lease/quote", body).await;
    assert_eq!(
        (status, &quote["acceptable"], &quote["fieldErrors"]),
        (
            StatusCode::OK,
            &json!(false),
            &json!([{"field": "template", "message": "is none of those in GET /catalog"}])
        )
    );
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused_without_being_repeated() {
    let cases = [
        ("{", "malformed_body"),
        ("\u{feff}{}", "malformed_body"),
        ("[1]", "malformed_body"),
        (r#"{"password":7}"#, "invalid_request"),
        (r#"{"runtimeMinutes":-1}"#, "invalid_request"),
        (r#"{"runtimeMinutes":"hunter2"}"#, "invalid_request"),
    ];
    let app = TestApp::start().await;
    for (body, code) in cases {
        let (status, envelope) = ask_of(&app, "POST", "/lease/quote", body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(envelope["error"]["code"], code, "{body}");
        assert_eq!(envelope["error"]["requestId"], "test-1");
        assert!(!envelope.to_string().contains("hunter2"));
    }
    // The reader of the free-form field limits its depth.
    let deep = format!("{}{}", r#"{"payload":"#, "[".repeat(100_000));
    let (status, envelope) = ask("POST", "/lease/quote", &deep).await;
    assert_eq!(
        (status, &envelope["error"]["code"]),
        (StatusCode::BAD_REQUEST, &json!("malformed_body"))
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
    let app = TestApp::start().await;
    for (method, path, body, status, code) in cases {
        let (seen, envelope) = ask_of(&app, method, path, body).await;
        assert_eq!(
            (seen.as_u16(), &envelope["error"]["code"]),
            (status, &json!(code))
        );
        assert_eq!(envelope["error"]["requestId"], "test-1");
    }
}

#[tokio::test]
async fn play_money_is_seen_where_there_is_any() {
    let app = TestApp::start().await;
    let rich = Buyer::funded(&app, 1).await.wallet();
    let look = async |query: &str| ask_of(&app, "GET", &format!("/demo/balance{query}"), "").await;
    for spelling in [rich.to_checksum(None), rich.to_string().to_lowercase()] {
        let (status, found) = look(&format!("?address={spelling}")).await;
        assert_eq!(
            (status, &found["balance"]),
            (StatusCode::OK, &json!("10000000"))
        );
    }
    let (_, nothing) = look("?address=0x00000000000000000000000000000000000000aa").await;
    assert_eq!(nothing["balance"], "0");
    for bad in ["", "?address=0x12", "?address=box", "?account=1"] {
        let (status, refused) = look(bad).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{bad}");
        assert_eq!(refused["error"]["code"], "invalid_request", "{bad}");
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
    // 254 GiB of memory are free, for leases of 512 MiB; the disk would do for 512.
    assert_eq!(catalog["capacityLeft"], 508);
    assert_eq!(ask("GET", "/health", "").await.0, StatusCode::OK);
}

#[tokio::test]
async fn the_catalogue_says_what_answers_where_proxmox_is_simulated() {
    let app = TestApp::start().await;
    let (_, real) = ask_of(&app, "GET", "/catalog", "").await;
    assert_eq!(real.get("simulatorNotice"), None, "{real}");
    let app = TestApp::with(&[("PVE_SIMULATED", "true")]).await;
    let (_, catalog) = ask_of(&app, "GET", "/catalog", "").await;
    assert_eq!(catalog["simulated"], json!(["proxmox", "payments"]));
    assert_eq!(
        catalog["simulatorNotice"],
        "Commands run on the demo's host, unconfined."
    );
}
