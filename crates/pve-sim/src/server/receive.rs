//! Reads a request as pveproxy does, with its refusals: unknown methods, chunked bodies, unexpected
//! bodies, too many headers, too much data.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, Method, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::encoding;
use crate::response::ErrorResponse;

const BODY_LIMIT: usize = 512 << 10;
const HEADER_LINES: usize = 64;
const HEADER_BYTES: usize = 8 << 10;

/// A request with parsed parameters.
pub(super) struct ReceivedRequest {
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    /// Path segments below `/api2/json`, decoded.
    pub(super) segments: Vec<String>,
    pub(super) params: BTreeMap<String, Value>,
}

/// The refusals of the transport, before authentication.
pub(super) fn check_transport(method: &Method, headers: &HeaderMap) -> Result<(), ErrorResponse> {
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    if headers.len() > HEADER_LINES {
        return Err(ErrorResponse::bare(
            400,
            format!("too many http header lines (> {HEADER_LINES})"),
        ));
    }
    if bytes > HEADER_BYTES {
        return Err(ErrorResponse::bare(400, "http header too large"));
    }
    let known = [Method::GET, Method::POST, Method::PUT, Method::DELETE];
    if !known.contains(method) {
        return Err(ErrorResponse::bare(
            501,
            format!("method '{method}' not available"),
        ));
    }
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(ErrorResponse::bare(
            501,
            "chunked transfer encoding not supported",
        ));
    }
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<usize>().ok())
        .unwrap_or_default();
    if announced > 0 && (method == Method::GET || method == Method::DELETE) {
        return Err(ErrorResponse::bare(
            501,
            format!("Unexpected content for method '{method}'"),
        ));
    }
    if announced > BODY_LIMIT {
        return Err(ErrorResponse::bare(501, "for data too large"));
    }
    Ok(())
}

/// The segments of a path below `/api2/json`.
pub(super) fn segments(path: &str) -> Result<Vec<String>, ErrorResponse> {
    let rest = path
        .strip_prefix("/api2/json")
        .filter(|rest| rest.is_empty() || rest.starts_with('/'))
        .ok_or_else(|| ErrorResponse::bare(501, format!("no such file '{path}'")))?;
    Ok(rest
        .split('/')
        .filter(|segment| !segment.is_empty())
        .map(encoding::percent_decode)
        .collect())
}

/// Parameters of body and query; the query wins.
pub(super) async fn params(
    headers: &HeaderMap,
    query: Option<&str>,
    body: Incoming,
) -> Result<BTreeMap<String, Value>, ErrorResponse> {
    let body = Limited::new(body, BODY_LIMIT)
        .collect()
        .await
        .map_err(|_| ErrorResponse::bare(501, "for data too large"))?
        .to_bytes();
    let mut params = body_params(headers, &body)?;
    for (name, value) in encoding::form_pairs(query.unwrap_or_default()) {
        params.insert(name, json!(value));
    }
    Ok(params)
}

fn body_params(
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<BTreeMap<String, Value>, ErrorResponse> {
    if body.is_empty() {
        return Ok(BTreeMap::new());
    }
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    match kind.as_str() {
        "application/x-www-form-urlencoded" => {
            let text = String::from_utf8_lossy(body);
            Ok(encoding::form_pairs(&text)
                .into_iter()
                .map(|(name, value)| (name, json!(value)))
                .collect())
        }
        "application/json" => serde_json::from_slice(body)
            .map_err(|_| ErrorResponse::bare(400, "malformed JSON in request body")),
        other => Err(ErrorResponse::bare(
            506,
            format!("upload 'Content-Type '{other}' not implemented"),
        )),
    }
}
