//! One request: transport rules, faults before the execution, authentication, the API, faults
//! after the execution, the response.

use std::sync::Arc;

use http::{HeaderValue, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::ext::ReasonPhrase;

use super::body::{ConnectionCut, ResponseBody};
use super::operation::{classify, fits};
use super::receive::{self, ReceivedRequest};
use crate::access::{Caller, identify};
use crate::api;
use crate::cluster::Cluster;
use crate::console::TerminalUpgrade;
use crate::faults::{FaultKind, Operation};
use crate::response::{ErrorResponse, HandlerResult};
use crate::snapshot::RequestRecord;
use crate::wire::Reset;

/// Handles a request, or cuts the connection if a fault requires it.
pub(super) async fn handle(
    cluster: Arc<Cluster>,
    reset: Reset,
    request: http::Request<Incoming>,
) -> Result<Response<ResponseBody>, ConnectionCut> {
    let method = request.method().clone();
    let uri = request.uri().clone();
    let result = answer(&cluster, &reset, request).await;
    let status = result.as_ref().map_or(0, |answer| answer.status().as_u16());
    let path = uri
        .path_and_query()
        .map_or(uri.path(), |path| path.as_str())
        .trim_start_matches("/api2/json")
        .to_owned();
    tracing::debug!(%method, path = uri.path(), status, "a request was handled");
    cluster.record(RequestRecord {
        method: method.to_string(),
        path,
        status,
    });
    result
}

async fn answer(
    cluster: &Arc<Cluster>,
    reset: &Reset,
    mut request: http::Request<Incoming>,
) -> Result<Response<ResponseBody>, ConnectionCut> {
    let upgrade = hyper::upgrade::on(&mut request);
    let (parts, body) = request.into_parts();
    let head = handshake_of(&parts);
    let received = async {
        receive::check_transport(&parts.method, &parts.headers)?;
        let segments = receive::segments(parts.uri.path())?;
        let params = receive::params(&parts.headers, parts.uri.query(), body).await?;
        Ok(ReceivedRequest {
            method: parts.method,
            headers: parts.headers,
            segments,
            params,
        })
    };
    let received = match received.await {
        Ok(received) => received,
        Err(refusal) => return Ok(refuse(&refusal)),
    };
    let operation = classify(&received.method, &received.segments);
    let path = format!("/{}", received.segments.join("/"));
    let fault = cluster.faults.take(operation.as_ref(), &path, |kind| {
        fits(
            kind,
            operation.as_ref(),
            &received.method,
            &received.segments,
        )
    });
    match &fault {
        Some(FaultKind::Unreachable595 | FaultKind::NodeOffline(_)) => {
            return Ok(refuse(&ErrorResponse::bare(595, "No route to host")));
        }
        Some(FaultKind::Handshake596Before) => return Ok(refuse(&connection_timed_out())),
        Some(FaultKind::DropBefore) => {
            reset.on_close();
            return Err(ConnectionCut);
        }
        Some(FaultKind::ExpiredToken) => {
            cluster.clock.sleep(cluster.config.auth_failure_delay).await;
            return Ok(refuse(&ErrorResponse::unauthorized(
                "Authentication failed!",
            )));
        }
        Some(FaultKind::Html502) => return Ok(bad_gateway()),
        _ => {}
    }
    let outcome = perform(cluster, received, fault.clone());
    if outcome.as_ref().is_err_and(|refusal| refusal.status == 401) {
        cluster.clock.sleep(cluster.config.auth_failure_delay).await;
    }
    cluster.changed.notify_one();
    let port = outcome
        .as_ref()
        .ok()
        .and_then(|answer| answer.data["port"].as_u64());
    if let (Some(Operation::Websocket), Some(port)) = (&operation, port) {
        let upgrade = TerminalUpgrade {
            upgrade,
            request: head,
            port: u16::try_from(port).unwrap_or_default(),
            fault: fault.clone(),
            reset: reset.clone(),
        };
        return Ok(upgrade
            .accept(cluster)
            .unwrap_or_else(|refusal| refuse(&refusal)));
    }
    match fault {
        Some(FaultKind::Answer596After) => Ok(refuse(&connection_timed_out())),
        Some(FaultKind::DropAfter) => {
            reset.on_close();
            Err(ConnectionCut)
        }
        Some(FaultKind::EmptyBody) => Ok(respond(200, "OK", ResponseBody::Whole(None))),
        Some(FaultKind::HugeBody) => Ok(respond(200, "OK", ResponseBody::huge())),
        Some(FaultKind::TruncatedBody) => {
            let body = match &outcome {
                Ok(answer) => answer.body(),
                Err(refusal) => refusal.body(),
            };
            Ok(respond(200, "OK", ResponseBody::broken(&body)))
        }
        Some(FaultKind::Late(by)) => {
            tokio::time::sleep(by).await;
            Ok(respond_with(&outcome))
        }
        _ => Ok(respond_with(&outcome)),
    }
}

/// Method and headers, for a handshake.
fn handshake_of(parts: &http::request::Parts) -> http::Request<()> {
    let mut head = http::Request::new(());
    *head.method_mut() = parts.method.clone();
    head.headers_mut().clone_from(&parts.headers);
    head
}

/// Authenticates the request and calls the API.
fn perform(
    cluster: &Arc<Cluster>,
    received: ReceivedRequest,
    fault: Option<FaultKind>,
) -> HandlerResult {
    let ReceivedRequest {
        method,
        headers,
        segments,
        params,
    } = received;
    // A token is checked even on open paths; tickets are not.
    let anonymous = !headers.contains_key(header::AUTHORIZATION);
    let caller = if anonymous && api::is_open(&method, &segments) {
        Caller::nobody()
    } else {
        let world = cluster.world();
        let now = cluster.clock.seconds();
        identify(&world.access, &cluster.signer, &method, &headers, now)?
    };
    let request = api::ApiRequest {
        method,
        segments,
        params,
        fault,
    };
    api::dispatch(cluster, &caller, request)
}

fn respond_with(outcome: &HandlerResult) -> Response<ResponseBody> {
    match outcome {
        Ok(answer) => respond(200, "OK", ResponseBody::whole(answer.body())),
        Err(refusal) => refuse(refusal),
    }
}

fn refuse(refusal: &ErrorResponse) -> Response<ResponseBody> {
    let line = refusal.message.lines().next().unwrap_or_default();
    respond(refusal.status, line, ResponseBody::whole(refusal.body()))
}

fn connection_timed_out() -> ErrorResponse {
    ErrorResponse::bare(596, "Connection timed out")
}

fn respond(status: u16, reason: &str, body: ResponseBody) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(status).expect("every status here has three digits");
    let headers = response.headers_mut();
    let fixed = |text: &'static str| HeaderValue::from_static(text);
    headers.insert(header::SERVER, fixed("pve-api-daemon/3.0"));
    headers.insert(header::CACHE_CONTROL, fixed("max-age=0"));
    headers.insert(header::PRAGMA, fixed("no-cache"));
    headers.insert(
        header::CONTENT_TYPE,
        fixed("application/json;charset=UTF-8"),
    );
    headers.insert(
        header::CONNECTION,
        fixed(if status >= 400 { "close" } else { "Keep-Alive" }),
    );
    // A reason phrase may hold anything but control characters.
    let printable: String = reason.chars().filter(|c| !c.is_control()).collect();
    if let Ok(reason) = ReasonPhrase::try_from(printable.into_bytes()) {
        response.extensions_mut().insert(reason);
    }
    response
}

/// The response of a reverse proxy that cannot reach Proxmox.
fn bad_gateway() -> Response<ResponseBody> {
    let page = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n";
    let mut response = respond(502, "Bad Gateway", ResponseBody::whole(page));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
    headers.insert(header::SERVER, HeaderValue::from_static("nginx"));
    response
}
