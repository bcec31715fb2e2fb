//! The connection to a provider: its address, the headers that carry its key, and the size limits
//! on its answers.

use std::time::Duration;

use anyhow::Context as _;
use async_openai::{
    Client,
    config::Config,
    middleware::{ReqwestService, retry::OpenAIRetryLayer},
};
use axum::http;
use http_body_util::Limited;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use secrecy::SecretString;
use tower::{Layer as _, ServiceExt as _};
use url::{Host, Url};

use crate::llm::{Provider, ProviderKind};

/// The other header in which Flock's platform takes a key.
const LITELLM_KEY: HeaderName = HeaderName::from_static("x-litellm-api-key");

/// The maximum size of an answer in bytes. A stream gets more, because every word in it has its own
/// envelope.
const MAX_WHOLE: usize = 1024 * 1024;
const MAX_STREAM: usize = 8 * 1024 * 1024;

/// A provider as the client library's configuration.
pub(super) struct Connection {
    base: String,
    key: SecretString,
    headers: HeaderMap,
}

/// Makes the client of a provider. Answers and errors are read up to the size limit.
///
/// # Errors
/// The key cannot be put into a header, or the HTTP client cannot be made.
pub(super) fn connect(provider: &Provider) -> anyhow::Result<Client<Connection>> {
    let mut http = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(10))
        .redirect(reqwest::redirect::Policy::none());
    if is_local(&provider.base_url) {
        http = http.no_proxy();
    }
    let key = provider.key.as_ref().map_or("", |key| key.expose());
    let connection = Connection {
        base: provider.base_url.clone(),
        key: SecretString::from(key.to_owned()),
        headers: headers(provider.kind, key)?,
    };
    let http = http.build()?;
    let most = if provider.streams {
        MAX_STREAM
    } else {
        MAX_WHOLE
    };
    let bounded = ReqwestService::new(http.clone()).map_response(move |it| bounded(it, most));
    let service = OpenAIRetryLayer::default().layer(bounded);
    Ok(Client::build(http, connection).with_http_service(service))
}

fn bounded(response: reqwest::Response, most: usize) -> reqwest::Response {
    let (parts, body) = http::Response::<reqwest::Body>::from(response).into_parts();
    let body = reqwest::Body::wrap(Limited::new(body, most));
    http::Response::from_parts(parts, body).into()
}

fn headers(kind: ProviderKind, key: &str) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    if key.is_empty() {
        return Ok(headers);
    }
    let secret = |text: &str| {
        let mut value = HeaderValue::from_str(text)
            .context("the language model's key has characters that no header takes")?;
        value.set_sensitive(true);
        anyhow::Ok(value)
    };
    headers.insert(AUTHORIZATION, secret(&format!("Bearer {key}"))?);
    if kind == ProviderKind::Flockio {
        headers.insert(LITELLM_KEY, secret(key)?);
    }
    Ok(headers)
}

/// Whether the server is on this machine. Such a server is not reached through a proxy that the
/// environment may set.
fn is_local(base: &str) -> bool {
    match Url::parse(base).ok().as_ref().and_then(Url::host) {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

impl Config for Connection {
    fn headers(&self) -> HeaderMap {
        self.headers.clone()
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn query(&self) -> Vec<(&str, &str)> {
        Vec::new()
    }

    fn api_base(&self) -> &str {
        &self.base
    }

    fn api_key(&self) -> &SecretString {
        &self.key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flock_gets_its_key_in_both_headers_and_no_provider_gets_an_empty_key() {
        let flock = headers(ProviderKind::Flockio, "sk-1").unwrap();
        assert_eq!(flock[AUTHORIZATION], "Bearer sk-1");
        assert_eq!(flock["x-litellm-api-key"], "sk-1");
        assert!(!format!("{flock:?}").contains("sk-1"));
        assert_eq!(headers(ProviderKind::OpenAi, "sk-1").unwrap().len(), 1);
        assert!(headers(ProviderKind::Compatible, "").unwrap().is_empty());
        assert!(headers(ProviderKind::OpenAi, "line\nbreak").is_err());
    }

    #[test]
    fn servers_on_this_machine_are_recognized() {
        for local in [
            "http://localhost:11434/v1",
            "http://127.0.0.1:8080/v1",
            "http://[::1]/v1",
        ] {
            assert!(is_local(local), "{local}");
        }
        for remote in [
            "https://api.openai.com/v1",
            "http://10.0.0.1/v1",
            "nonsense",
        ] {
            assert!(!is_local(remote), "{remote}");
        }
    }
}
