//! Sends one request and reads the answer: Proxmox's transport rules, the `data` envelope, the size limit, and the
//! sorting of every failure into "never executed", "perhaps executed" and "refused".

use std::collections::BTreeMap;
use std::time::Instant;

use http::{HeaderMap, Method, StatusCode};
use hyper::ext::ReasonPhrase;
use reqwest::Response;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cause::with_causes;
use crate::client::Client;
use crate::error::{Call, Error, one_line};
use crate::path::ApiPath;
use crate::refusal::{Refusal, classify};

/// The largest answer that is read; a list of ten thousand guests is about 5 MiB.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// Parameters of a call, sent as a query or as a form.
pub(crate) type Params = Vec<(String, String)>;

/// The payload of an answer.
pub(crate) struct Envelope {
    pub(crate) data: Value,
    /// The number of all entries, where `data` is a page of a list.
    pub(crate) total: Option<u64>,
}

impl Client {
    /// A call that reads.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: ApiPath,
        params: Params,
    ) -> Result<T, Error> {
        self.call(Method::GET, path, params).await
    }

    /// A call whose `data` is a `T`.
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: ApiPath,
        params: Params,
    ) -> Result<T, Error> {
        let call = Call::new(method.clone(), path.as_str());
        let envelope = self.envelope(method, path, params).await?;
        decode(call, envelope.data)
    }

    /// A call whose envelope is wanted whole.
    pub(crate) async fn envelope(
        &self,
        method: Method,
        path: ApiPath,
        params: Params,
    ) -> Result<Envelope, Error> {
        let call = Call::new(method, path.as_str());
        if !path.is_valid() {
            return Err(Error::Unsent {
                call,
                cause: "an identifier is empty or consists of dots".to_owned(),
            });
        }
        let (headers, generation) = self.auth_headers(None).await?;
        let first = self.exchange(&call, &params, headers).await;
        match (first, generation) {
            // Authentication comes before everything else on the server, so a 401 proves that nothing was done.
            (
                Err(Error::Refused {
                    kind: Refusal::Unauthorized,
                    ..
                }),
                Some(stale),
            ) => {
                let (headers, _) = self.auth_headers(Some(stale)).await?;
                self.exchange(&call, &params, headers).await
            }
            (result, _) => result,
        }
    }

    /// Sends a request with these headers and reads its answer.
    pub(crate) async fn exchange(
        &self,
        call: &Call,
        params: &Params,
        headers: HeaderMap,
    ) -> Result<Envelope, Error> {
        let response = self.send(call, params, headers).await?;
        self.answer(call, response).await
    }

    /// Reads an answer whose head has come.
    pub(crate) async fn answer(&self, call: &Call, response: Response) -> Result<Envelope, Error> {
        let status = response.status();
        let reason = reason_phrase(&response);
        let body = match self.read_body(response).await {
            Ok(body) => body,
            // An answer that only says no has said so with its status line.
            Err(_) if status.is_client_error() => Vec::new(),
            Err(cause) => {
                return Err(Error::Ambiguous {
                    call: Box::new(call.clone()),
                    status: Some(status.as_u16()),
                    cause,
                });
            }
        };
        self.interpret(call, status, &reason, &body)
    }

    /// Sends a request and waits for the head of the answer.
    pub(crate) async fn send(
        &self,
        call: &Call,
        params: &Params,
        headers: HeaderMap,
    ) -> Result<Response, Error> {
        let inner = &self.inner;
        let timeout = if call.method == Method::GET {
            inner.timeouts.read
        } else {
            inner.timeouts.write
        };
        let mut url = format!("{}{}", inner.api_root, call.path);
        let form = serde_urlencoded::to_string(params).map_err(|e| self.unsent(call, &e))?;
        let with_body = matches!(call.method, Method::POST | Method::PUT);
        // The server refuses a GET or DELETE that has a body.
        if !with_body && !form.is_empty() {
            url.push('?');
            url.push_str(&form);
        }
        let mut request = inner
            .http
            .request(call.method.clone(), url)
            .headers(headers)
            .timeout(timeout);
        if with_body {
            // Said in so many words, because an empty form would go out without a length.
            request = request
                .header(
                    http::header::CONTENT_TYPE,
                    "application/x-www-form-urlencoded",
                )
                .header(http::header::CONTENT_LENGTH, form.len())
                .body(form);
        }
        let started = Instant::now();
        let result = request.send().await;
        tracing::debug!(
            pve.call = %call,
            pve.status = result.as_ref().map_or(0, |r| r.status().as_u16()),
            elapsed_ms = started.elapsed().as_millis() as u64,
            "proxmox call"
        );
        result.map_err(|e| {
            if e.is_connect() || e.is_builder() {
                self.unsent(call, &e.without_url())
            } else {
                let late = if e.is_timeout() { "timed out: " } else { "" };
                let cause = self.scrub(&format!("{late}{}", with_causes(&e.without_url())));
                Error::Ambiguous {
                    call: Box::new(call.clone()),
                    status: None,
                    cause,
                }
            }
        })
    }

    fn unsent(&self, call: &Call, cause: &dyn std::error::Error) -> Error {
        Error::Unsent {
            call: Box::new(call.clone()),
            cause: self.scrub(&with_causes(cause)),
        }
    }

    async fn read_body(&self, mut response: Response) -> Result<Vec<u8>, String> {
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > MAX_ANSWER => {
                    return Err(format!("the answer is larger than {MAX_ANSWER} bytes"));
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => return Ok(body),
                Err(e) => {
                    return Err(format!(
                        "the answer broke off: {}",
                        with_causes(&e.without_url())
                    ));
                }
            }
        }
    }

    fn interpret(
        &self,
        call: &Call,
        status: StatusCode,
        reason: &str,
        body: &[u8],
    ) -> Result<Envelope, Error> {
        let call = Box::new(call.clone());
        let code = status.as_u16();
        let envelope = serde_json::from_slice::<Value>(body)
            .ok()
            .and_then(|v| match v {
                Value::Object(object) if object.contains_key("data") => Some(object),
                _ => None,
            });
        if status.is_success() {
            let Some(mut object) = envelope else {
                let cause = format!("not Proxmox's envelope: {}", self.excerpt(body));
                return Err(Error::Ambiguous {
                    call,
                    status: Some(code),
                    cause,
                });
            };
            let total = object.get("total").and_then(Value::as_u64);
            let data = object.remove("data").unwrap_or(Value::Null);
            return Ok(Envelope { data, total });
        }
        let object = envelope.clone().unwrap_or_default();
        let fields = self.fields(object.get("errors"));
        let message = object
            .get("message")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let message = self.scrub(if message.trim().is_empty() {
            reason
        } else {
            message
        });
        if code == 595 {
            return Err(Error::Unsent {
                call,
                cause: format!("595 {message}"),
            });
        }
        let kind = classify(code, &message, &fields);
        // A server error without the envelope is not Proxmox's word, unless its reason phrase is a known one.
        let foreign = envelope.is_none() && status.as_u16() >= 500 && kind == Refusal::Other;
        if code >= 596 || foreign {
            return Err(Error::Ambiguous {
                call,
                status: Some(code),
                cause: format!("{code} {message}"),
            });
        }
        let message = if status.is_redirection() {
            "the server redirects: check the scheme, host and port of the address".to_owned()
        } else {
            message
        };
        Err(Error::Refused {
            call,
            status: code,
            kind,
            message,
            fields,
        })
    }

    fn fields(&self, errors: Option<&Value>) -> BTreeMap<String, String> {
        let Some(Value::Object(errors)) = errors else {
            return BTreeMap::new();
        };
        errors
            .iter()
            .map(|(name, problem)| {
                let text = problem
                    .as_str()
                    .map_or_else(|| problem.to_string(), str::to_owned);
                (one_line(name, 80), self.scrub(&text))
            })
            .collect()
    }

    fn excerpt(&self, body: &[u8]) -> String {
        if body.is_empty() {
            return "an empty body".to_owned();
        }
        let start = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
        self.scrub(&start)
    }

    /// One bounded line without our credentials, in case the other side echoes them.
    pub(crate) fn scrub(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.inner.secrets {
            text = text.replace(secret.expose(), "***");
        }
        one_line(&text, 400)
    }
}

/// Reads the payload of an answer.
pub(crate) fn decode<T: DeserializeOwned>(call: Box<Call>, data: Value) -> Result<T, Error> {
    serde_json::from_value(data).map_err(|e| Error::Decode {
        call,
        cause: one_line(&e.to_string(), 300),
    })
}

/// The words in the status line. Before 2025 they were the only place of an error's text, and for 401 they still are.
pub(crate) fn reason_phrase(response: &Response) -> String {
    match response.extensions().get::<ReasonPhrase>() {
        Some(phrase) => String::from_utf8_lossy(phrase.as_bytes()).into_owned(),
        None => response
            .status()
            .canonical_reason()
            .unwrap_or_default()
            .to_owned(),
    }
}
