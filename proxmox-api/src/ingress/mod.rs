//! The way of visitors to published ports: a listener of its own, `PORT-NAME.GUEST_DOMAIN`, and one
//! request after the other on to the container's loopback through the SSH connection whose host key
//! is known. A container's address is never dialled for HTTP: it is the tenant's word, and could be
//! any machine's.
//!
//! | File | What it decides |
//! | --- | --- |
//! | `host` | which container a request is for |
//! | `access` | whether the visitor may open it |
//! | `origin` | whether the visitor's cookie counts, by the page that had the request sent |
//! | `headers` | what passes between the two |
//! | `forward` | the exchange |
//! | `early_answer` | an answer that comes before the end of the request |
//! | `refusal` | what is said in place of an answer |
//! | `warning` | what a browser shows before a public port's first page |

mod access;
mod early_answer;
mod forward;
mod headers;
mod host;
mod origin;
mod refusal;
mod warning;

use std::time::Duration;

use api_types::PortAccess;
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, Version, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use service::{
    caller,
    serve::{BodyTimeout, ServerLimits},
};

use self::{
    access::Admission, headers::Visitor, host::RequestTarget, refusal::Refusal, warning::Before,
};
use crate::{
    config::GuestDomain,
    lease::{
        guest::stream::{self, NoStream, StillAllowed},
        ports::name,
    },
    memory::guest_streams::StreamKind,
    state::App,
    store::{Lease, PublishedPort},
};

/// The largest head of a request that is passed on, in bytes.
const LARGEST_HEAD: usize = 64 * 1024;
/// How long the head of a request may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// After how long without a byte a connection into a container is closed.
const LONGEST_IDLE: Duration = Duration::from_secs(600);
/// Where a proxy asks whether a name needs a certificate.
const ASK: &str = "/ask";

/// The listener's service, for the configured domain.
pub fn router(app: &App, domain: GuestDomain) -> Router {
    let serve = move |State(app): State<App>, request: Request| {
        let domain = domain.clone();
        async move { serve(&app, &domain, request).await }
    };
    Router::new().fallback(serve).with_state(app.clone())
}

/// The limits of the listener.
pub fn limits(app: &App) -> ServerLimits {
    ServerLimits {
        head: HEAD_TIMEOUT,
        ..ServerLimits::behind(app.config.trusted_proxies)
    }
}

async fn serve(app: &App, domain: &GuestDomain, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let shows_page = refusal::shows_page(&parts.headers);
    match answer(app, domain, parts, body).await {
        Ok(response) => {
            metrics::counter!("ingress_requests_total", "outcome" => "passed").increment(1);
            response
        }
        Err(refusal) => {
            metrics::counter!("ingress_requests_total", "outcome" => refusal.code()).increment(1);
            refusal.respond(shows_page, &app.config.tenants.abuse_notice())
        }
    }
}

async fn answer(
    app: &App,
    domain: &GuestDomain,
    mut parts: Parts,
    body: Body,
) -> Result<Response, Refusal> {
    if matches!(parts.method, Method::CONNECT | Method::TRACE) {
        return Err(Refusal::Method);
    }
    let head = parts.headers.iter();
    let head = head.map(|(name, value)| name.as_str().len() + value.len() + 4);
    if head.sum::<usize>() + parts.uri.to_string().len() > LARGEST_HEAD {
        return Err(Refusal::Headers);
    }
    let (host, sent_host) =
        host::one_host(&parts.headers, &parts.uri).map_err(Refusal::Malformed)?;
    let (port, name) = match host::target(&host, &domain.name) {
        RequestTarget::Port { port, name } => (port, name),
        RequestTarget::Listener if parts.uri.path() == ASK => {
            return ask(app, domain, parts.uri.query().unwrap_or_default()).await;
        }
        RequestTarget::NoName | RequestTarget::Listener => return Err(Refusal::Unknown),
    };
    let published = published(app, name, port).await?.ok_or(Refusal::Unknown)?;
    let upgrade = headers::asks_for_websocket(&parts.headers);
    let seen = (&parts.method, &parts.uri, &parts.headers);
    let admission = access::admit(app, &published, seen, (domain, name), upgrade);
    let label = port.map_or_else(|| name.to_owned(), |port| name::label(port, name));
    let path = match admission.await.map_err(|error| internal(&error))? {
        Admission::Admit(path) => path,
        Admission::LeadOn { path, cookie } => return Ok(lead_on(domain, &label, &path, cookie)),
        Admission::Refuse => return Err(Refusal::Private),
    };
    let port = published.port.port;
    let public = published.port.access == PortAccess::Public;
    if public {
        let abuse = app.config.tenants.abuse_notice();
        let asked = (&parts.method, &parts.headers);
        match warning::before(asked, (domain, &label), &path, &abuse) {
            Some(Before::Warning(page)) => return Ok(page),
            Some(Before::Seen { path, cookie }) => {
                return Ok(lead_on(domain, &label, &path, Some(cookie)));
            }
            None => {}
        }
    }
    // A body may be large; a client that stalls is still cut off.
    if let Some(timeout) = parts.extensions.get::<BodyTimeout>() {
        timeout.renew_with_each_chunk();
    }
    let peer = caller::peer(&parts.extensions);
    let visitor = Visitor {
        address: caller::address(peer, &parts.headers, app.config.trusted_proxies),
        scheme: domain.scheme,
        host: sent_host,
    };
    let switching = upgrade.then(|| parts.extensions.remove()).flatten();
    let mut request = Request::new(body);
    *request.method_mut() = parts.method;
    *request.uri_mut() = path
        .parse()
        .map_err(|_| Refusal::Malformed("The target cannot be read."))?;
    *request.version_mut() = Version::HTTP_11;
    *request.headers_mut() = headers::for_guest(&parts.headers, &visitor, upgrade);
    let lease = &published.lease;
    let allowed = still_published(app, name, &published);
    let wanted = (StreamKind::Web(visitor.address), port);
    let opened = stream::open(app, lease, wanted, LONGEST_IDLE, allowed);
    let stream = match opened.await {
        Ok(stream) => stream,
        Err(refused) => return Err(refused_stream(app, lease, port, refused).await),
    };
    forward::send(stream, request, port, public, switching).await
}

/// The port behind a name, while the paid time of its lease runs.
async fn published(
    app: &App,
    name: &str,
    port: Option<u16>,
) -> Result<Option<PublishedPort>, Refusal> {
    let found = app.store.published_port(name, port).await;
    let found = found.map_err(|error| internal(&error))?;
    Ok(found.filter(|published| stream::runs(app, &published.lease)))
}

/// Whether a port is published for the same visitors as it was.
fn still_published(app: &App, name: &str, published: &PublishedPort) -> StillAllowed {
    let (app, name) = (app.clone(), name.to_owned());
    let (port, epoch) = (published.port.port, published.port.epoch.clone());
    Box::new(move || {
        let (app, name, epoch) = (app.clone(), name.clone(), epoch.clone());
        Box::pin(async move {
            let now = app.store.published_port(&name, Some(port)).await?;
            Ok(now.is_some_and(|now| now.port.epoch == epoch && stream::runs(&app, &now.lease)))
        })
    })
}

/// Why there is no connection, in words for visitors.
async fn refused_stream(app: &App, lease: &Lease, port: u16, refused: NoStream) -> Refusal {
    match refused {
        NoStream::Full => Refusal::Full,
        NoStream::Over => Refusal::Unknown,
        NoStream::NothingListens => Refusal::NothingListens(port),
        NoStream::Prohibited => Refusal::Prohibited,
        NoStream::Obstacle(obstacle) => match runs_now(app, lease).await {
            Some(false) => {
                // Off, it could not answer; what was found out says nothing.
                app.guest_routes.forget(&lease.lease_id);
                Refusal::Off
            }
            _ => Refusal::Unreachable(obstacle),
        },
    }
}

/// Whether the container runs; `None` where Proxmox does not tell.
async fn runs_now(app: &App, lease: &Lease) -> Option<bool> {
    let usage = app.proxmox.recent_usage([lease.vmid]).await.ok()?;
    let seen = usage.of(lease.vmid)?;
    Some(seen.state == pve::ContainerState::Running)
}

/// Leads a browser to the same address without its token.
fn lead_on(domain: &GuestDomain, label: &str, path: &str, cookie: Option<String>) -> Response {
    // Whole, because a path may begin like a host: `//elsewhere`.
    let url = format!("{}{path}", domain.url(label).trim_end_matches('/'));
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::LOCATION, Some(url)),
        (header::SET_COOKIE, cookie),
        (header::CACHE_CONTROL, Some("no-store".into())),
        (header::REFERRER_POLICY, Some("no-referrer".into())),
    ] {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            headers.insert(name, value);
        }
    }
    response
}

/// Whether a proxy should have a certificate for a name: 200 for exactly those that are published
/// now, so that names that do not exist use up none of the certificates a domain may have.
async fn ask(app: &App, domain: &GuestDomain, query: &str) -> Result<Response, Refusal> {
    let asked = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("domain="));
    let asked = asked.unwrap_or_default().to_ascii_lowercase();
    let RequestTarget::Port { port, name } = host::target(&asked, &domain.name) else {
        return Err(Refusal::Unknown);
    };
    match published(app, name, port).await? {
        Some(_) => Ok(StatusCode::OK.into_response()),
        None => Err(Refusal::Unknown),
    }
}

fn internal(error: &crate::store::StoreError) -> Refusal {
    tracing::error!(%error, "the store failed");
    Refusal::Internal
}
