//! A panic in a handler becomes an error response, and harms no other request.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    body::{Body, to_bytes},
    http::Request,
};
use proxmox_api::{App, app};
use serde_json::{Value, json};
use service::{
    clock::{Clock, Sleep, SystemClock},
    metrics::Metrics,
};
use tower::ServiceExt as _;

use crate::support::TestApp;

/// A clock that panics when it is read, once it has been told to.
#[derive(Default)]
struct Broken(AtomicBool);

impl Clock for Broken {
    fn unix_millis(&self) -> u64 {
        assert!(!self.0.load(Ordering::SeqCst), "nobody should read this");
        SystemClock.unix_millis()
    }

    fn sleep_until(&self, deadline_millis: u64) -> Sleep<'_> {
        SystemClock.sleep_until(deadline_millis)
    }
}

#[tokio::test]
async fn a_handler_that_panics_answers_with_the_error_envelope() {
    let test = TestApp::start().await;
    let clock = Arc::new(Broken::default());
    let (config, facilitator) = (test.app.config.clone(), test.app.facilitator.clone());
    let state = App::with_facilitator(config, clock.clone(), facilitator)
        .await
        .unwrap();
    let router = app(state, Metrics::install().unwrap());
    let challenge = async || {
        let body = json!({"address": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"}).to_string();
        let request = Request::post("/session/challenge")
            .header("content-type", "application/json")
            .header("origin", "http://localhost:3000")
            .header("x-request-id", "test-1")
            .body(Body::from(body))
            .unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = to_bytes(body, 64 * 1024).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        (head, body)
    };
    clock.0.store(true, Ordering::SeqCst);
    let (head, body) = challenge().await;
    assert_eq!(head.status, 500);
    assert_eq!(head.headers["x-request-id"], "test-1");
    assert_eq!(
        head.headers["access-control-allow-origin"], "http://localhost:3000",
        "a page can read it, too"
    );
    let expected = json!({"error": {
        "code": "internal", "message": "Something went wrong on our side.", "retryable": false,
        "nextActions": ["report the requestId to the operator"], "requestId": "test-1",
    }});
    assert_eq!(body, expected);
    clock.0.store(false, Ordering::SeqCst);
    assert_eq!(challenge().await.0.status, 200);
}
