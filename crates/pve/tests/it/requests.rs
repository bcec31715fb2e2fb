//! The transport rules that Proxmox's server enforces.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use pve::{
    CreateContainer, Destroy, LineSink, Network, RootFs, TaskOutcome, WaitError, WaitOptions,
};

use crate::mock::{Mock, MockResponse};

const UPID: &str = "UPID:other:00000001:00000001:00000001:vzcreate:101:lease@pve!svc:";

#[tokio::test]
async fn requests_have_the_form_that_proxmox_accepts() {
    let mock = Mock::start(|_, seen| match seen.line.as_str() {
        line if line.starts_with("PUT") => MockResponse::json(r#"{"data":null}"#),
        line if line.contains("/storage?") => MockResponse::json(r#"{"data":[]}"#),
        _ => MockResponse::json(&format!(r#"{{"data":"{UPID}"}}"#)),
    })
    .await;
    let client = mock.client();
    let node = "pve".parse().unwrap();
    let vmid = "101".parse().unwrap();
    let mut container = CreateContainer::new(
        vmid,
        "local:vztmpl/d.tar.zst",
        RootFs {
            storage: "lvm".into(),
            size_gib: 4,
        },
    );
    container.net0 = Some(Network::dhcp("vmbr0"));
    container.description = Some("{\"a\":\"é & = +\"}\nline".into());
    client.create(&node, &container).await.unwrap();
    client.start(&node, vmid).await.unwrap();
    client
        .shutdown(&node, vmid, Duration::from_secs(20), true)
        .await
        .unwrap();
    client
        .destroy(
            &node,
            vmid,
            Destroy {
                force: true,
                purge: true,
            },
        )
        .await
        .unwrap();
    client
        .update_config(&node, vmid, &[("tags", "a;b")])
        .await
        .unwrap();
    client.storages(&node, Some("rootdir")).await.unwrap();

    let seen = mock.seen();
    let lines: Vec<&str> = seen.iter().map(|s| s.line.as_str()).collect();
    assert_eq!(
        lines,
        [
            "POST /api2/json/nodes/pve/lxc HTTP/1.1",
            "POST /api2/json/nodes/pve/lxc/101/status/start HTTP/1.1",
            "POST /api2/json/nodes/pve/lxc/101/status/shutdown HTTP/1.1",
            "DELETE /api2/json/nodes/pve/lxc/101?force=1&purge=1 HTTP/1.1",
            "PUT /api2/json/nodes/pve/lxc/101/config HTTP/1.1",
            "GET /api2/json/nodes/pve/storage?enabled=1&content=rootdir HTTP/1.1",
        ]
    );
    assert!(
        seen[0]
            .body
            .contains("description=%7B%22a%22%3A%22%C3%A9+%26+%3D+%2B%22%7D%0Aline"),
        "{}",
        seen[0].body
    );
    assert_eq!(seen[1].body, "");
    assert_eq!(seen[2].body, "timeout=20&forceStop=1");
    assert_eq!(seen[4].body, "tags=a%3Bb");
    for request in &seen {
        let line = &request.line;
        assert_eq!(request.header("transfer-encoding"), None, "{line}");
        assert_eq!(
            request.header("authorization"),
            Some("PVEAPIToken=lease@pve!svc=s3cr3t-value"),
            "{line}"
        );
        assert_eq!(request.header("cookie"), None, "{line}");
        let length = request.header("content-length");
        if line.starts_with('P') {
            assert_eq!(
                length,
                Some(request.body.len().to_string().as_str()),
                "{line}"
            );
            assert_eq!(
                request.header("content-type"),
                Some("application/x-www-form-urlencoded"),
                "{line}"
            );
        } else {
            assert_eq!(length, None, "{line}");
        }
    }
}

#[tokio::test]
async fn an_identifier_that_a_url_cannot_hold_is_not_sent() {
    let mock = Mock::always(MockResponse::json(r#"{"data":[]}"#)).await;
    let client = mock.client();
    let node = "pve".parse().unwrap();
    for storage in ["..", ".", ""] {
        let error = client
            .storage_content(&node, storage, "vztmpl")
            .await
            .unwrap_err();
        assert!(matches!(error, pve::Error::Unsent { .. }), "{error}");
    }
    client
        .storage_content(&node, "a/../../x?y", "vztmpl")
        .await
        .unwrap();
    let lines: Vec<String> = mock.seen().into_iter().map(|s| s.line).collect();
    assert_eq!(
        lines,
        ["GET /api2/json/nodes/pve/storage/a%2F..%2F..%2Fx%3Fy/content?content=vztmpl HTTP/1.1"]
    );
}

#[tokio::test]
async fn a_task_is_polled_at_its_own_node_through_passing_trouble_until_it_ends() {
    let mock = Mock::start(|position, seen| {
        assert!(
            seen.line
                .contains("/nodes/other/tasks/UPID%3Aother%3A00000001"),
            "{}",
            seen.line
        );
        if seen.line.contains("/log?") {
            return MockResponse::json(
                r#"{"data":[{"n":1,"t":"extracting"},{"n":"2","t":"TASK OK"}],"total":2}"#,
            );
        }
        match position {
            0 => MockResponse::json(r#"{"data":{"status":"running"}}"#),
            2 => MockResponse::status("596 timeout", ""),
            3 => MockResponse::Last(Vec::new()),
            _ => MockResponse::json(r#"{"data":{"status":"stopped","exitstatus":"WARNINGS: 1"}}"#),
        }
    })
    .await;
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = lines.clone();
    let mut options = WaitOptions::within(Duration::from_secs(5));
    options.poll_first = Duration::from_millis(1);
    options.on_line = Some(LineSink::new(move |line| {
        sink.lock().unwrap().push(line.t.clone())
    }));
    let outcome = mock
        .client()
        .wait(&UPID.parse().unwrap(), options)
        .await
        .unwrap();
    assert_eq!(outcome, TaskOutcome::Warnings(1));
    assert_eq!(
        *lines.lock().unwrap(),
        ["extracting", "TASK OK"],
        "every line once"
    );
}

#[tokio::test]
async fn a_wait_ends_at_its_deadline_or_when_the_task_cannot_be_seen() {
    let running = Mock::always(MockResponse::json(r#"{"data":{"status":"running"}}"#)).await;
    let upid = UPID.parse().unwrap();
    let late = running
        .client()
        .wait(&upid, WaitOptions::within(Duration::from_millis(150)))
        .await
        .unwrap_err();
    assert!(
        matches!(late, WaitError::Deadline { last: None, .. }),
        "{late}"
    );
    assert!(running.seen().len() > 1);

    let body = r#"{"data":null,"errors":{"upid":"no such task"}}"#;
    let gone = Mock::always(MockResponse::status(
        "400 Parameter verification failed.",
        body,
    ))
    .await;
    let lost = gone
        .client()
        .wait(&upid, WaitOptions::within(Duration::from_secs(5)))
        .await
        .unwrap_err();
    let WaitError::Lost { cause, .. } = lost else {
        panic!("{lost}")
    };
    assert!(cause.is_missing());
}
