//! Security headers: where the page may connect to, that it may not be framed, and others.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use url::Url;
use web_ui::config::Settings;

/// The headers of every response.
pub(crate) fn headers(settings: &Settings) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut put = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    put(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(header::X_FRAME_OPTIONS, "DENY");
    put(header::REFERRER_POLICY, "no-referrer");
    // Not `same-origin`: a wallet that opens its own window must reach the page.
    put(
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin-allow-popups",
    );
    put(
        HeaderName::from_static("permissions-policy"),
        "camera=(), microphone=(), geolocation=(), payment=(), usb=(), clipboard-read=(self), clipboard-write=(self)",
    );
    let policy = content_policy(settings);
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_str(&policy).expect("addresses that were parsed are visible ASCII"),
    );
    headers
}

/// Scripts, WebAssembly included, from this origin only; connections to the configured services
/// only. The terminal adds its own style elements, so inline styles are allowed.
fn content_policy(settings: &Settings) -> String {
    let mut connect = vec!["'self'".to_owned()];
    let bases = [&settings.chat_api_base, &settings.lease_api_base];
    for base in bases.into_iter().chain(settings.rpc_url.as_ref()) {
        for origin in origins(base) {
            if !connect.contains(&origin) {
                connect.push(origin);
            }
        }
    }
    [
        "default-src 'none'".to_owned(),
        "script-src 'self' 'wasm-unsafe-eval'".to_owned(),
        "style-src 'self' 'unsafe-inline'".to_owned(),
        "img-src 'self' data:".to_owned(),
        "font-src 'self'".to_owned(),
        "manifest-src 'self'".to_owned(),
        format!("connect-src {}", connect.join(" ")),
        "base-uri 'none'".to_owned(),
        "form-action 'none'".to_owned(),
        "frame-ancestors 'none'".to_owned(),
    ]
    .join("; ")
}

/// The origin of an address, for fetching and for the console's WebSocket.
fn origins(base: &str) -> Vec<String> {
    let Ok(url) = Url::parse(base) else {
        return Vec::new();
    };
    let origin = url.origin().ascii_serialization();
    let socket = origin.replacen("http", "ws", 1);
    vec![origin, socket]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_connects_to_the_configured_services_and_nowhere_else() {
        let settings = Settings {
            chat_api_base: "https://agent.example.org/api".into(),
            lease_api_base: "http://localhost:4021".into(),
            default_network: "base-sepolia".into(),
            rpc_url: Some("https://node.example.org/v1/key".into()),
        };
        let policy = content_policy(&settings);
        assert!(policy.contains(
            "connect-src 'self' https://agent.example.org wss://agent.example.org \
             http://localhost:4021 ws://localhost:4021 https://node.example.org wss://node.example.org;"
        ), "{policy}");
        assert!(!policy.contains("script-src 'self' 'unsafe-inline'"));
    }
}
