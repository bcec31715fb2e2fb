use std::{fs, path::Path};

use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode, header},
    response::Response,
};
use service::{
    env::{Env, documents::keep},
    metrics::Metrics,
};
use tower::ServiceExt as _;

use super::{config::Config, site, variables::SCHEMA};

const NAME: &str = "/assets/app-0123456789abcdef.js";

fn bundle() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, content: &str| {
        let path = folder.path().join(name.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    put("index.html", "<!doctype html><title>page</title>");
    put(NAME, "let plain;");
    put(&format!("{NAME}.br"), "BR");
    put(&format!("{NAME}.gz"), "GZ");
    folder
}

fn config(dist: &Path) -> Config {
    let env = Env::from_map([
        ("WEB_DIST", dist.to_str().unwrap()),
        ("CHAT_API_BASE", "https://agent.example.org/"),
    ]);
    Config::from_env(env).unwrap()
}

async fn ask(dist: &Path, request: Request<Body>) -> (Response, String) {
    // One recorder for the whole process, whichever test comes first.
    let app = site::app(&config(dist), &Metrics::install().unwrap());
    let response = app.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let text = to_bytes(body, 65_536).await.unwrap();
    let text = String::from_utf8(text.to_vec()).unwrap();
    (Response::from_parts(parts, Body::empty()), text)
}

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

fn header_of(response: &Response, name: header::HeaderName) -> &str {
    response.headers()[name].to_str().unwrap()
}

#[tokio::test]
async fn hashed_files_are_kept_for_ever_and_come_compressed() {
    let folder = bundle();
    for (accepted, encoding, body) in [
        ("gzip, br", Some("br"), "BR"),
        ("gzip", Some("gzip"), "GZ"),
        ("identity", None, "let plain;"),
    ] {
        let request = Request::get(NAME)
            .header(header::ACCEPT_ENCODING, accepted)
            .body(Body::empty())
            .unwrap();
        let (response, text) = ask(folder.path(), request).await;
        assert_eq!(text, body);
        assert_eq!(
            response
                .headers()
                .get(header::CONTENT_ENCODING)
                .map(|v| v.to_str().unwrap()),
            encoding
        );
        assert_eq!(
            header_of(&response, header::CACHE_CONTROL),
            "public, max-age=31536000, immutable"
        );
        assert_eq!(
            header_of(&response, header::CONTENT_TYPE),
            "text/javascript"
        );
    }
}

#[tokio::test]
async fn the_page_is_asked_for_again_and_says_what_it_may_do() {
    let folder = bundle();
    for path in ["/", "/index.html", "/?from=elsewhere"] {
        let (response, text) = ask(folder.path(), get(path)).await;
        assert_eq!(
            (response.status(), text.contains("page")),
            (StatusCode::OK, true),
            "{path}"
        );
        assert_eq!(header_of(&response, header::CACHE_CONTROL), "no-cache");
        let policy = header_of(&response, header::CONTENT_SECURITY_POLICY);
        assert!(
            policy.contains("script-src 'self' 'wasm-unsafe-eval';"),
            "{policy}"
        );
    }
}

#[tokio::test]
async fn an_address_that_is_no_file_leads_to_the_page() {
    let folder = bundle();
    for (path, page) in [
        ("/leases", "./"),
        ("/leases/", "../"),
        ("/leases/lease_1/terminal", "../../"),
        ("//elsewhere.example/x", "../../"),
    ] {
        let (response, _) = ask(folder.path(), get(path)).await;
        assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT, "{path}");
        assert_eq!(header_of(&response, header::LOCATION), page, "{path}");
        assert_eq!(header_of(&response, header::CACHE_CONTROL), "no-cache");
    }
}

#[tokio::test]
async fn a_file_that_is_missing_is_missing() {
    let folder = bundle();
    for path in [
        "/assets/app-fedcba9876543210.js",
        "/favicon.ico",
        "/../Cargo.toml",
    ] {
        let (response, _) = ask(folder.path(), get(path)).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(header_of(&response, header::CACHE_CONTROL), "no-cache");
    }
    let post = Request::post("/leases").body(Body::empty()).unwrap();
    let (response, _) = ask(folder.path(), post).await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn the_settings_are_those_of_the_environment() {
    let folder = bundle();
    let (response, text) = ask(folder.path(), get("/config.json")).await;
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&text).unwrap(),
        serde_json::json!({
            "chatApiBase": "https://agent.example.org", "leaseApiBase": "http://localhost:4021",
            "defaultNetwork": "base-sepolia",
        })
    );
    assert_eq!(header_of(&response, header::CACHE_CONTROL), "no-cache");
}

#[tokio::test]
async fn without_a_bundle_the_server_says_how_to_build_it() {
    let folder = tempfile::tempdir().unwrap();
    let (response, text) = ask(folder.path(), get("/")).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(text.contains("cargo xtask web"), "{text}");
    let (response, text) = ask(folder.path(), get("/ready")).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(text.contains("cargo xtask web"), "{text}");
}

#[test]
fn every_mistake_in_the_environment_is_named() {
    let env = Env::from_map([
        ("CHAT_API_BASE", "localhost:8000"),
        ("LEASE_API_BASE", "https://user:pass@h"),
        ("DEFAULT_NETWORK", "dogecoin"),
        ("PORT", "many"),
    ]);
    let problems = Config::from_env(env).unwrap_err().to_string();
    for name in ["CHAT_API_BASE", "LEASE_API_BASE", "DEFAULT_NETWORK", "PORT"] {
        assert!(problems.contains(name), "{problems}");
    }
    assert!(!problems.contains("pass@"), "{problems}");
}

#[test]
fn the_documents_list_every_variable() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (example, tables) = (
        root.join(".example.env"),
        root.join("docs/CONFIGURATION.md"),
    );
    keep(
        &example,
        "==== web-ui",
        "==== end of web-ui",
        &SCHEMA.dotenv(),
    );
    let table = format!("\n{}", SCHEMA.markdown());
    keep(
        &tables,
        "<summary>web-ui",
        "</details><!-- web-ui -->",
        &table,
    );
}
