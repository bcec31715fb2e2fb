//! The Prometheus recorder, its `GET /metrics` page, and the two metrics of every service: requests
//! and their latency by matched route, method and status. Other code uses the macros of the
//! `metrics` crate.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, Method};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Counter: requests by `route`, `method`, `status`.
pub const REQUESTS: &str = "http_requests_total";
/// Histogram, seconds until the head of the response: by `route`, `method`, `status`.
pub const LATENCY: &str = "http_request_duration_seconds";

/// Latency buckets in seconds, from a cached read to a container that is created during the
/// request.
const BUCKETS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0,
];

/// The interval in which the recorder puts raw samples into buckets. Without it they would pile up
/// while the page is not requested.
const UPKEEP: Duration = Duration::from_secs(5);

/// Why the recorder could not be installed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the metrics recorder cannot be installed: {0}")]
pub struct MetricsError(String);

/// The process's recorder.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// Installs the recorder once per process; every later call returns the same one.
    ///
    /// # Errors
    ///
    /// Other code has installed a recorder, or the thread for its upkeep cannot be started.
    pub fn install() -> Result<Self, MetricsError> {
        static INSTALLED: OnceLock<Result<Metrics, MetricsError>> = OnceLock::new();
        INSTALLED
            .get_or_init(|| Self::install_anew().map_err(MetricsError))
            .clone()
    }

    fn install_anew() -> Result<Self, String> {
        let handle = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), BUCKETS)
            .and_then(PrometheusBuilder::install_recorder)
            .map_err(|error| error.to_string())?;
        metrics::describe_counter!(REQUESTS, "Requests answered");
        metrics::describe_histogram!(
            LATENCY,
            metrics::Unit::Seconds,
            "Time until the head of the response"
        );
        // An own thread, because the recorder outlives any runtime; it ends with the process.
        let upkeep = handle.clone();
        std::thread::Builder::new()
            .name("metrics-upkeep".to_owned())
            .spawn(move || {
                loop {
                    std::thread::sleep(UPKEEP);
                    upkeep.run_upkeep();
                }
            })
            .map_err(|error| error.to_string())?;
        Ok(Self(handle))
    }

    /// All metrics in the Prometheus text format.
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// `GET /metrics`.
    pub fn router<S>(self) -> Router<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        Router::new().route("/metrics", get(page)).with_state(self)
    }
}

async fn page(State(metrics): State<Metrics>) -> ([(HeaderName, &'static str); 1], String) {
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    ([(CONTENT_TYPE, content_type)], metrics.render())
}

/// Counts every request of the router and measures its latency.
pub fn count<S>(router: Router<S>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    router.layer(middleware::from_fn(measure))
}

async fn measure(request: Request, next: Next) -> Response {
    let start = Instant::now();
    let method = method_label(request.method());
    // The pattern and not the path, because clients choose paths, and each label value is kept for
    // ever.
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unmatched", MatchedPath::as_str)
        .to_owned();

    let response = next.run(request).await;

    let status = response.status().as_u16().to_string();
    let labels = [
        ("route", route),
        ("method", method.to_owned()),
        ("status", status),
    ];
    metrics::counter!(REQUESTS, &labels).increment(1);
    metrics::histogram!(LATENCY, &labels).record(start.elapsed().as_secs_f64());
    response
}

/// HTTP allows any word as a method, but only the known ones become labels.
fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use tower::ServiceExt as _;

    use super::*;

    async fn send(app: &Router, method: &str, path: &str) -> Response {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .body(Body::empty())
            .unwrap();
        app.clone().oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn requests_are_counted_by_pattern_method_and_status() {
        let metrics = Metrics::install().unwrap();
        let things = Router::new().route("/thing/{id}", get(|| async {}));
        let app = count(things.merge(metrics.router()));
        send(&app, "GET", "/thing/1").await;
        send(&app, "GET", "/thing/2").await;
        send(&app, "BREW", "/thing/2").await;
        send(&app, "GET", "/elsewhere").await;

        let page = send(&app, "GET", "/metrics").await;
        assert_eq!(
            page.headers()[CONTENT_TYPE],
            "text/plain; version=0.0.4; charset=utf-8"
        );
        let body = to_bytes(page.into_body(), 1 << 20).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        for line in [
            r#"http_requests_total{route="/thing/{id}",method="GET",status="200"} 2"#,
            r#"http_requests_total{route="/thing/{id}",method="other",status="405"} 1"#,
            r#"http_requests_total{route="unmatched",method="GET",status="404"} 1"#,
            r#"http_request_duration_seconds_bucket{route="/thing/{id}",method="GET",status="200",le="120"} 2"#,
            r#"http_request_duration_seconds_count{route="/thing/{id}",method="GET",status="200"} 2"#,
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} in:\n{text}"
            );
        }
    }

    #[test]
    fn a_second_installation_returns_the_same_recorder() {
        let first = Metrics::install().unwrap();
        metrics::counter!("installed_again_total").increment(1);
        let second = Metrics::install().unwrap();
        assert!(first.render().contains("installed_again_total 1"));
        assert!(second.render().contains("installed_again_total 1"));
    }
}
