//! No token, ticket or address of Proxmox is in any response, page, message or log line.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use pve_sim::{Fault, FaultKind, Operation};
use reqwest::Method;
use serde_json::json;
use service::{env::Env, telemetry::Telemetry};

use super::client::{buy, connect, open};
use crate::{
    buyer::{Answer, call},
    guest::Guest,
};

/// A log that tests can read.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn nothing_of_proxmox_is_in_any_answer_page_message_or_log_line() {
    let log = Log::default();
    let writer = log.clone();
    let mut env = Env::from_map([("LOG_FORMAT", "json"), ("RUST_LOG", "debug")]);
    let telemetry = Telemetry::from_env(&mut env).without(proxmox_api::NOISY_LOG_TARGET);
    let subscriber = telemetry.subscriber(move || writer.clone());
    // With a subscriber for one thread only, the first test that reaches a log line would decide
    // for all tests whether it is enabled.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    // The service's threads inherit the subscriber of the thread that launches it.
    let _guard = tracing::subscriber::set_default(subscriber);

    let guest = Guest::plain().await;
    let (app, faults) = (&guest.app, guest.app.sim.faults());
    let mut said = Vec::new();
    let mut note = |answer: Answer| said.push(format!("{:?} {}", answer.headers, answer.body));
    note(guest.exec(json!({"command": "env; id"})).await);
    faults.inject(Fault::once(Operation::Websocket, FaultKind::LoginPrompt));
    note(guest.exec(json!({"command": "env"})).await);
    faults.inject(Fault::times(
        Operation::Termproxy,
        FaultKind::Unreachable595,
        3,
    ));
    note(guest.exec(json!({"command": "env"})).await);
    faults.clear();
    faults.inject(Fault::once(Operation::Websocket, FaultKind::CutAfter(120)));
    note(guest.exec(json!({"command": "env"})).await);
    faults.clear();
    faults.inject(Fault::times(Operation::Any, FaultKind::ExpiredToken, 1));
    note(guest.exec(json!({"command": "env"})).await);
    faults.clear();
    for path in ["/console", "/console/ws", "/catalog", "/ready", "/metrics"] {
        note(call(app, &Method::GET, path, None, &[]).await);
    }
    let bought = buy(&guest).await;
    let ticket = bought["ticket"].as_str().unwrap();
    let mut console = connect(&guest, ticket).await;
    let resume = console.opened(&guest).await;
    said.push(console.says("env", "done").await);
    console.leave().await;
    faults.inject(Fault::once(Operation::Websocket, FaultKind::CutAfter(40)));
    let again = super::client::ticket(&guest).await;
    let mut broken = connect(&guest, &again).await;
    broken.opened(&guest).await;
    broken
        .keys("echo what is shown of this is cut in the middle\r")
        .await;
    said.push(format!("{:?}", broken.closed().await));
    let (last, _) = open(&guest).await;
    last.leave().await;

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for kind in ["command_run", "console_opened"] {
        assert!(log.contains(kind), "{kind} is not in the log: {log}");
    }
    let address = app.sim.addr();
    let theirs = [
        app.sim.token_secret(),
        app.sim.token_id(),
        app.sim.console_password(),
        address.to_string(),
        "PVEVNC:".to_owned(),
        "PVEAPIToken".to_owned(),
    ];
    for secret in &theirs {
        for text in &said {
            assert!(!text.contains(secret.as_str()), "{secret} is in {text}");
        }
    }
    let logged = theirs.iter().filter(|text| **text != app.sim.token_id());
    for secret in logged.map(String::as_str).chain([ticket, &resume, &again]) {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is logged");
    }
}
