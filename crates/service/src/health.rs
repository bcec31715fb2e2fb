//! `GET /health` shows that the process answers. `GET /ready` shows whether it can do its work, by
//! a check of each part that it needs. Orchestrators restart by the first and route by the second.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// The result of a check: what works, or why it does not. Both texts are public, so they contain no
/// credential.
pub type CheckResult = Result<String, String>;

type Probe = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = CheckResult> + Send>> + Send + Sync>;

/// The checks of all parts that the service needs.
#[derive(Clone)]
pub struct Readiness {
    timeout: Duration,
    checks: Vec<(String, Probe)>,
}

impl fmt::Debug for Readiness {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.checks.iter().map(|(name, _)| name);
        formatter.debug_list().entries(names).finish()
    }
}

/// The response of `/ready`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReadinessReport {
    /// Whether every check passed.
    pub ready: bool,
    /// The checks in the order in which they were added.
    pub checks: Vec<CheckReport>,
}

/// One line of a [`ReadinessReport`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// The name of the part.
    pub name: String,
    /// Whether it works.
    pub ok: bool,
    /// The finding, for people.
    pub message: String,
}

impl Readiness {
    /// A list without checks, which counts as ready. Each check has `timeout` to answer.
    pub fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            checks: Vec::new(),
        }
    }

    /// Adds a check. All checks of a report run concurrently.
    #[must_use]
    pub fn check<F, W>(mut self, name: impl Into<String>, probe: F) -> Self
    where
        F: Fn() -> W + Send + Sync + 'static,
        W: Future<Output = CheckResult> + Send + 'static,
    {
        let probe: Probe = Arc::new(move || Box::pin(probe()));
        self.checks.push((name.into(), probe));
        self
    }

    /// Runs all checks within the timeout. A check that panics counts as failed.
    pub async fn report(&self) -> ReadinessReport {
        let mut running = JoinSet::new();
        for (position, (_, probe)) in self.checks.iter().enumerate() {
            let (probe, timeout) = (Arc::clone(probe), self.timeout);
            running.spawn(async move {
                let finding = tokio::time::timeout(timeout, probe()).await;
                let late = |_| Err(format!("no answer within {} ms", timeout.as_millis()));
                (position, finding.unwrap_or_else(late))
            });
        }
        // A check that panics leaves this finding in place.
        let mut findings = vec![Err("the check itself failed".to_owned()); self.checks.len()];
        while let Some(outcome) = running.join_next().await {
            if let Ok((position, finding)) = outcome {
                findings[position] = finding;
            }
        }
        let names = self.checks.iter().map(|(name, _)| name.clone());
        let checks: Vec<_> = names.zip(findings).map(CheckReport::from).collect();
        ReadinessReport {
            ready: checks.iter().all(|check| check.ok),
            checks,
        }
    }
}

impl From<(String, CheckResult)> for CheckReport {
    fn from((name, finding): (String, CheckResult)) -> Self {
        let ok = finding.is_ok();
        let (Ok(message) | Err(message)) = finding;
        Self { name, ok, message }
    }
}

/// `/health` (200 `{"status": "ok"}` as long as the process answers) and `/ready` (200 or 503 with
/// a [`ReadinessReport`], which may be three seconds old).
pub fn router<S>(readiness: Readiness) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        .with_state(Arc::new(LastReport::new(readiness)))
}

/// How long a report is cached. Every client may request one, and each report checks every part
/// that the service needs.
const FRESH: Duration = Duration::from_secs(3);

/// The newest report. Concurrent requests wait for the same report.
struct LastReport {
    readiness: Readiness,
    last: Mutex<Option<(Instant, ReadinessReport)>>,
}

impl LastReport {
    fn new(readiness: Readiness) -> Self {
        Self {
            readiness,
            last: Mutex::default(),
        }
    }

    async fn report(&self) -> ReadinessReport {
        let mut last = self.last.lock().await;
        if let Some((made, report)) = &*last
            && made.elapsed() < FRESH
        {
            return report.clone();
        }
        let report = self.readiness.report().await;
        *last = Some((Instant::now(), report.clone()));
        report
    }
}

async fn health() -> Json<serde_json::Value> {
    Json(serde_json::json!({"status": "ok"}))
}

async fn ready(State(last): State<Arc<LastReport>>) -> Response {
    // In its own task, so that a client that hangs up does not cancel the report.
    let report = tokio::spawn(async move { last.report().await }).await;
    let report = report.unwrap_or_else(|_| ReadinessReport {
        ready: false,
        checks: Vec::new(),
    });
    let status = if report.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(report)).into_response()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use serde_json::{Value, json};
    use tokio::sync::Semaphore;
    use tower::ServiceExt as _;

    use super::*;

    async fn get_json(readiness: Readiness, path: &str) -> (u16, Value) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router::<()>(readiness).oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), 4096).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    fn store_is_fine() -> Readiness {
        Readiness::new(Duration::from_secs(5)).check("store", || async { Ok("open".to_owned()) })
    }

    #[tokio::test]
    async fn health_is_ok_even_when_a_part_is_away() {
        let away = Readiness::new(Duration::ZERO).check("store", std::future::pending);
        assert_eq!(
            get_json(away, "/health").await,
            (200, json!({"status": "ok"}))
        );
    }

    #[tokio::test]
    async fn ready_when_every_check_is_fine() {
        let expected = json!({
            "ready": true,
            "checks": [{"name": "store", "ok": true, "message": "open"}],
        });
        assert_eq!(get_json(store_is_fine(), "/ready").await, (200, expected));
    }

    #[tokio::test]
    async fn one_failing_check_makes_the_service_unready_and_the_others_are_reported() {
        let readiness = store_is_fine()
            .check("proxmox", || async { Err("401".to_owned()) })
            .check("broken", || async { panic!("on purpose") });
        let expected = json!({
            "ready": false,
            "checks": [
                {"name": "store", "ok": true, "message": "open"},
                {"name": "proxmox", "ok": false, "message": "401"},
                {"name": "broken", "ok": false, "message": "the check itself failed"},
            ],
        });
        assert_eq!(get_json(readiness, "/ready").await, (503, expected));
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_hangs_fails_after_the_timeout() {
        let readiness =
            Readiness::new(Duration::from_millis(1500)).check("rpc", std::future::pending);
        let expected = json!({
            "ready": false,
            "checks": [{"name": "rpc", "ok": false, "message": "no answer within 1500 ms"}],
        });
        assert_eq!(get_json(readiness, "/ready").await, (503, expected));
    }

    /// Readiness that counts its checks and answers when the test permits it.
    fn counted() -> (Readiness, Arc<AtomicUsize>, Arc<Semaphore>) {
        let (asked, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let (count, opened) = (asked.clone(), gate.clone());
        let readiness = Readiness::new(Duration::from_secs(9)).check("store", move || {
            let (number, opened) = (count.fetch_add(1, Ordering::SeqCst), opened.clone());
            async move {
                opened.acquire().await.unwrap().forget();
                Ok(format!("report {number}"))
            }
        });
        (readiness, asked, gate)
    }

    async fn ask(app: Router) -> Value {
        let request = Request::get("/ready").body(Body::empty()).unwrap();
        let response = app.oneshot(request).await.unwrap();
        let body = to_bytes(response.into_body(), 4096).await.unwrap();
        let report: Value = serde_json::from_slice(&body).unwrap();
        report["checks"][0]["message"].clone()
    }

    #[tokio::test(start_paused = true)]
    async fn many_concurrent_readiness_requests_share_one_report() {
        let (readiness, asked, gate) = counted();
        let app = router::<()>(readiness);
        // These clients hang up before the report is complete.
        for _ in 0..20 {
            let hasty = tokio::time::timeout(Duration::from_millis(5), ask(app.clone()));
            assert!(hasty.await.is_err());
        }
        let crowd: Vec<_> = (0..50).map(|_| tokio::spawn(ask(app.clone()))).collect();
        gate.add_permits(9);
        for one in crowd {
            assert_eq!(one.await.unwrap(), "report 0");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);

        tokio::time::advance(FRESH - Duration::from_millis(1)).await;
        assert_eq!(ask(app.clone()).await, "report 0");
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(ask(app.clone()).await, "report 1");
    }
}
