//! The router: the bundle's files, `/config.json`, and a redirect to the page from any other
//! address.

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

/// Files whose names have a digest of their content never change.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// All other files are revalidated, and answered with 304 if they have not changed.
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");
/// How long the readiness check may take.
const READY_TIMEOUT: Duration = Duration::from_secs(1);

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
        .layer(middleware::from_fn_with_state(headers, add_headers));
    service::observe(site)
}

async fn settings(State(settings): State<Settings>) -> Json<Settings> {
    Json(settings)
}

fn readiness(dist: &Path) -> Readiness {
    let page = dist.join("index.html");
    Readiness::new(READY_TIMEOUT).check("bundle", move || {
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

/// The bundle's files. Any other address redirects to the page, which loads its files relative to
/// itself.
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
            let instead = redirect_to_page(request.method(), request.uri().path());
            let found = files.oneshot(request).await?;
            match instead {
                Some(instead) if found.status() == StatusCode::NOT_FOUND => Ok(instead),
                _ => Ok(found.map(Body::new)),
            }
        }
    })
}

/// The response if there is no such file. A name with an extension is that of a file, so it stays
/// 404.
fn redirect_to_page(method: &Method, path: &str) -> Option<Response> {
    let last = path.rsplit('/').next().unwrap_or_default();
    if !matches!(*method, Method::GET | Method::HEAD) || last.contains('.') {
        return None;
    }
    if path == "/" {
        return Some(not_built());
    }
    // Relative, so that it is right behind a proxy that removes a folder from the address.
    let folders = path.matches('/').count().saturating_sub(1);
    let page = if folders == 0 {
        "./".to_owned()
    } else {
        "../".repeat(folders)
    };
    Some(Redirect::temporary(&page).into_response())
}

fn not_built() -> Response {
    let message = "The interface is not built here. `cargo xtask web` builds it; WEB_DIST says where it is.\n";
    (StatusCode::SERVICE_UNAVAILABLE, message).into_response()
}

/// Adds the security and caching headers to every response.
async fn add_headers(State(policy): State<HeaderMap>, request: Request, next: Next) -> Response {
    let hashed = request.uri().path().starts_with("/assets/");
    let mut response = next.run(request).await;
    let is_good = response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED;
    let headers = response.headers_mut();
    headers.insert(
        header::CACHE_CONTROL,
        if hashed && is_good {
            FOR_EVER
        } else {
            REVALIDATE
        },
    );
    for (name, value) in &policy {
        headers.insert(name, value.clone());
    }
    response
}
