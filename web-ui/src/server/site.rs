//! The site: the bundle's files, `/config.json`, and the page itself for every address of the application.

use std::{convert::Infallible, path::Path, time::Duration};

use axum::{
    Json, Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use service::{
    health::{self, Readiness},
    metrics::Metrics,
};
use tower::{ServiceExt as _, service_fn};
use tower_http::services::{ServeDir, ServeFile};
use web_ui::config::Settings;

use super::{config::Config, policy};

/// Names with a digest of the content in them never change.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// Everything else is asked for again, and answered with 304 where nothing has changed.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");
/// How long readiness may take to look at the bundle.
const READY_PATIENCE: Duration = Duration::from_secs(1);

/// The whole service, without a socket.
pub(crate) fn app(config: &Config, metrics: &Metrics) -> Router {
    let headers = policy::headers(&config.settings);
    let site = Router::new()
        .route(
            "/config.json",
            get(settings).with_state(config.settings.clone()),
        )
        .merge(health::router(readiness(&config.dist)))
        .merge(metrics.clone().router())
        .fallback_service(files(&config.dist))
        .layer(middleware::from_fn_with_state(headers, dress));
    service::observe(site)
}

async fn settings(State(settings): State<Settings>) -> Json<Settings> {
    Json(settings)
}

fn readiness(dist: &Path) -> Readiness {
    let page = dist.join("index.html");
    Readiness::new(READY_PATIENCE).check("bundle", move || {
        let page = page.clone();
        async move {
            if tokio::fs::try_exists(&page).await.unwrap_or(false) {
                Ok("is there".to_owned())
            } else {
                Err("is not built; `cargo xtask web` builds it".to_owned())
            }
        }
    })
}

/// The bundle's files; for an address that is none of them, the page, which knows the addresses of the application.
fn files(
    dist: &Path,
) -> impl tower::Service<Request, Response = Response, Error = Infallible, Future: Send>
+ Clone
+ Send
+ Sync
+ 'static {
    let files = ServeDir::new(dist)
        .append_index_html_on_directories(true)
        .precompressed_br()
        .precompressed_gzip();
    let page = ServeFile::new(dist.join("index.html"))
        .precompressed_br()
        .precompressed_gzip();
    service_fn(move |request: Request| {
        let (files, page) = (files.clone(), page.clone());
        async move {
            let is_page = is_address_of_the_application(request.method(), request.uri().path());
            let (parts, body) = request.into_parts();
            let again = Request::from_parts(parts.clone(), Body::empty());
            let found = files.oneshot(Request::from_parts(parts, body)).await?;
            if found.status() == StatusCode::NOT_FOUND && is_page {
                let page = page.oneshot(again).await?;
                if page.status() == StatusCode::NOT_FOUND {
                    return Ok(not_built());
                }
                return Ok(page.map(Body::new));
            }
            Ok(found.map(Body::new))
        }
    })
}

/// A name with an extension is a file; that it is missing has to be said, not covered by the page.
fn is_address_of_the_application(method: &Method, path: &str) -> bool {
    let last = path.rsplit('/').next().unwrap_or_default();
    matches!(*method, Method::GET | Method::HEAD) && !last.contains('.')
}

fn not_built() -> Response {
    let words = "The interface is not built here. `cargo xtask web` builds it; WEB_DIST says where it is.\n";
    (StatusCode::SERVICE_UNAVAILABLE, words).into_response()
}

/// Puts the policy and the caching on every answer.
async fn dress(State(policy): State<HeaderMap>, request: Request, next: Next) -> Response {
    let hashed = request.uri().path().starts_with("/assets/");
    let mut response = next.run(request).await;
    let fine = response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED;
    let headers = response.headers_mut();
    headers.insert(
        header::CACHE_CONTROL,
        if hashed && fine { FOR_EVER } else { ASK_AGAIN },
    );
    for (name, value) in &policy {
        headers.insert(name, value.clone());
    }
    response
}
