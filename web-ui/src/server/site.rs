//! The site: the bundle's files, `/config.json`, and the way to the page from an address that is neither.

use std::{convert::Infallible, path::Path, time::Duration};

use axum::{
    Json, Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use service::{
    health::{self, Readiness},
    metrics::Metrics,
    panics,
};
use tower::{ServiceExt as _, service_fn};
use tower_http::services::ServeDir;
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
        .fallback_service(files(&config.dist));
    let site = panics::catch(site, |_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
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

/// The bundle's files. An address that is none of them leads to the page, which finds its own files beside itself only.
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
    service_fn(move |request: Request| {
        let files = files.clone();
        async move {
            let instead = instead_of_nothing(request.method(), request.uri().path());
            let found = files.oneshot(request).await?;
            match instead {
                Some(instead) if found.status() == StatusCode::NOT_FOUND => Ok(instead),
                _ => Ok(found.map(Body::new)),
            }
        }
    })
}

/// What is answered where no file is. A name with an extension is a file's; that it is missing has to be said.
fn instead_of_nothing(method: &Method, path: &str) -> Option<Response> {
    let last = path.rsplit('/').next().unwrap_or_default();
    if !matches!(*method, Method::GET | Method::HEAD) || last.contains('.') {
        return None;
    }
    if path == "/" {
        return Some(not_built());
    }
    // Relative, so that it is right as well behind a proxy that took a folder off the address.
    let folders = path.matches('/').count().saturating_sub(1);
    let page = if folders == 0 {
        "./".to_owned()
    } else {
        "../".repeat(folders)
    };
    Some(Redirect::temporary(&page).into_response())
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
