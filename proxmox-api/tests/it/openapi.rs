//! The OpenAPI document matches the service: it has all routes and no others, and real responses
//! fit it.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use service::metrics::Metrics;

use crate::{
    buyer::{Buyer, call},
    support::TestApp,
};

/// The document that the service returns.
pub async fn document(app: &TestApp) -> Value {
    let answer = call(app, &Method::GET, "/openapi.json", None, &[]).await;
    assert_eq!(answer.status, 200);
    answer.body
}

fn documented(document: &Value) -> BTreeSet<(String, String)> {
    let mut all = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            all.insert((path.clone(), method.to_ascii_uppercase()));
        }
    }
    all
}

/// The paths that the router knows. It offers no list of them, but its `Debug` text has one.
fn mounted_paths(app: &TestApp) -> Vec<String> {
    let router = proxmox_api::app(app.app.clone(), Metrics::install().unwrap());
    let shown = format!("{router:?}");
    let mut paths: Vec<_> = shown
        .split("RouteId(")
        .filter_map(|part| {
            let (_, path) = part.split_once("): \"")?;
            Some(path.split('"').next()?.to_owned())
        })
        // The fallback is stored as two separate routes.
        .filter(|path| path.len() > 1 && path.starts_with('/') && !path.contains("fallback"))
        .collect();
    paths.sort();
    paths.dedup();
    paths
}

/// Every path with its methods: a response with status 405 names them.
pub async fn mounted_routes(app: &TestApp) -> BTreeSet<(String, String)> {
    let mut all = BTreeSet::new();
    for path in mounted_paths(app) {
        let concrete = path
            .replace("{ctid}", "40200")
            .replace("{leaseId}", "lease_1");
        let answer = call(app, &Method::TRACE, &concrete, None, &[]).await;
        assert_eq!(answer.status, 405, "{path}");
        let allowed = answer.headers["allow"].to_str().unwrap().to_owned();
        for method in allowed.split(',').filter(|method| *method != "HEAD") {
            all.insert((path.clone(), method.to_owned()));
        }
    }
    all
}

#[tokio::test]
async fn every_mounted_route_is_documented_and_no_other() {
    let app = TestApp::with_credit().await;
    let mounted = mounted_routes(&app).await;
    assert!(mounted.contains(&("/lease/container".into(), "POST".into())));
    assert!(mounted.contains(&("/session".into(), "DELETE".into())));
    assert_eq!(documented(&document(&app).await), mounted);
}

/// One snapshot for each path, schema and shared response, and one for the rest of the document.
#[tokio::test]
async fn the_document_stays_as_it_was_agreed() {
    let app = TestApp::with_credit().await;
    let mut document = document(&app).await;
    for (folder, pointer) in [
        ("paths", "/paths"),
        ("schemas", "/components/schemas"),
        ("responses", "/components/responses"),
    ] {
        let parts = document.pointer_mut(pointer).unwrap().take();
        let mut expected = BTreeSet::new();
        for (name, part) in parts.as_object().unwrap() {
            let file = name.trim_matches('/').replace('/', ".");
            expected.insert(format!("{file}.snap"));
            in_folder(folder).bind(|| insta::assert_json_snapshot!(file, part));
        }
        assert_eq!(expected, snapshots_in(folder), "snapshots of {folder}");
    }
    in_folder("").bind(|| insta::assert_json_snapshot!("document", document));
}

fn in_folder(folder: &str) -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(format!("snapshots/openapi/{folder}"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings
}

/// The snapshot files that exist. One without its part in the document belongs to a removed path or
/// schema.
fn snapshots_in(folder: &str) -> BTreeSet<String> {
    let folder = format!(
        "{}/tests/it/snapshots/openapi/{folder}",
        env!("CARGO_MANIFEST_DIR")
    );
    let files = std::fs::read_dir(folder).unwrap();
    files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// Every reference has a target.
#[tokio::test]
async fn no_reference_is_broken() {
    let app = TestApp::with_credit().await;
    let document = document(&app).await;
    let found = service::openapi::references(&document);
    assert!(found.len() > 50, "{}", found.len());
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[tokio::test]
async fn the_challenge_has_the_members_that_the_document_requires() {
    let app = TestApp::with_credit().await;
    let document = document(&app).await;
    let answer = call(&app, &Method::POST, "/lease/container", None, &[]).await;
    assert_eq!(answer.status, 402);
    let header = answer.headers["payment-required"].as_bytes();
    let v2: Value = x402::wire::header::decode(header).unwrap();
    for (name, body) in [
        ("X402PaymentRequirementsResponse", &answer.body),
        ("X402PaymentRequired", &v2),
    ] {
        let schema = &document["components"]["schemas"][name];
        has_required(schema, body, name);
        has_required(
            &schema["properties"]["accepts"]["items"],
            &body["accepts"][0],
            name,
        );
    }
    let buyer = Buyer::funded(&app, 1).await;
    let paid = buyer.pay(&app, Method::GET, "/management/list", None).await;
    let receipt = paid.receipt().unwrap();
    has_required(
        &document["components"]["schemas"]["X402Receipt"],
        &receipt,
        "receipt",
    );
}

fn has_required(schema: &Value, body: &Value, name: &str) {
    let required = schema["required"].as_array().unwrap();
    assert!(!required.is_empty());
    for member in required {
        assert!(
            body.get(member.as_str().unwrap()).is_some(),
            "{name} lacks {member}"
        );
    }
    for member in body.as_object().unwrap().keys() {
        assert!(
            schema["properties"].get(member).is_some(),
            "{name} has {member}"
        );
    }
}

#[tokio::test]
async fn the_operators_limits_and_address_are_in_the_document() {
    let app = TestApp::with(&[
        ("MAX_CORES", "3"),
        ("PUBLIC_BASE_URL", "https://shop.example"),
        (
            "PVE_OS_TEMPLATE",
            "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst",
        ),
    ])
    .await;
    let document = document(&app).await;
    let request = &document["components"]["schemas"]["LeaseRequest"]["properties"];
    assert_eq!(
        request["template"]["enum"],
        json!([
            null,
            "debian-12-standard",
            "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst"
        ])
    );
    assert_eq!(
        (&request["cores"]["minimum"], &request["cores"]["maximum"]),
        (&json!(1), &json!(3))
    );
    assert_eq!(
        document["servers"],
        json!([{"url": "https://shop.example"}])
    );
}

#[tokio::test]
async fn people_get_a_page_that_loads_nothing() {
    let app = TestApp::with_credit().await;
    let page = call(&app, &Method::GET, "/docs", None, &[]).await;
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    let html = page.body.as_str().unwrap();
    for (path, _) in documented(&document(&app).await) {
        assert!(html.contains(&format!("<code>{path}</code>")), "{path}");
    }
    for outside in ["http://", "https://", "<script", "src="] {
        let own = html
            .replace("http://lease.example", "")
            .replace("https://lease.example.org", "");
        let own = own.replace("https://sepolia.basescan.org", "");
        let own = own.replace("https://3000-4z9k2m7q0xwd.apps.example.net", "");
        let own = own.replace("wss://lease.example.org", "");
        assert!(!own.contains(outside), "{outside}");
    }
}

#[tokio::test]
async fn what_is_sold_is_listed_with_what_it_asks_for() {
    let app = TestApp::with_credit().await;
    let listed = call(&app, &Method::GET, "/.well-known/x402", None, &[])
        .await
        .body;
    for (address, item) in std::iter::zip(
        listed["resources"].as_array().unwrap(),
        listed["items"].as_array().unwrap(),
    ) {
        assert_eq!(*address, item["resource"]);
        assert_eq!(item["accepts"][0]["network"], "eip155:84532");
    }
    let lease = &listed["items"][0];
    let challenge = call(&app, &Method::POST, "/lease/container", None, &[]).await;
    let header = challenge.headers["payment-required"].as_bytes();
    let asked: Value = x402::wire::header::decode(header).unwrap();
    assert_eq!(
        (&lease["accepts"], &lease["priceVaries"]),
        (&asked["accepts"], &json!(true))
    );
    for address in listed["resources"].as_array().unwrap() {
        let path = address
            .as_str()
            .unwrap()
            .replace("http://lease.example", "");
        let method = listed["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|item| item["resource"] == *address)
            .and_then(|item| item["method"].as_str())
            .unwrap();
        let asked = call(&app, &method.parse().unwrap(), &path, None, &[]).await;
        assert_eq!(
            asked.status, 402,
            "{method} {path} is there as it is listed"
        );
    }
    let call_fee = &listed["items"][1]["accepts"][0];
    assert_eq!(
        (&call_fee["amount"], &call_fee["extra"]["paymentFlow"]),
        (&json!("1000"), &json!("upfront"))
    );

    let guide = call(&app, &Method::GET, "/llms.txt", None, &[]).await;
    let text = guide.body.as_str().unwrap();
    for needed in [
        "# infra402",
        "http://lease.example/lease/quote",
        "1 to 8 cores",
        "Base Sepolia",
        "play money",
        "Prefer: respond-async",
    ] {
        assert!(text.contains(needed), "{needed} in {text}");
    }
}
