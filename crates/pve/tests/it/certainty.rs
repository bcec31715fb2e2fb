//! Whether a create may have been executed, for every way in which its response can be missing.

use pve::{Client, CreateContainer, Error, RootFs};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::mock::{Mock, MockResponse, client};

async fn create(client: &Client) -> Error {
    let rootfs = RootFs {
        storage: "local-lvm".into(),
        size_gib: 4,
    };
    let container = CreateContainer::new("101".parse().unwrap(), "local:vztmpl/d.tar.zst", rootfs);
    client
        .create(&"pve".parse().unwrap(), &container)
        .await
        .unwrap_err()
}

fn assert_ambiguous(error: &Error, case: &str) {
    assert!(matches!(error, Error::Ambiguous { .. }), "{case}: {error}");
    assert!(error.may_have_executed(), "{case}");
    assert!(error.is_transient(), "{case}");
    assert!(error.safe_text().len() < 700, "{case}");
}

#[tokio::test]
async fn what_never_left_this_machine_was_not_executed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let not_tls = format!("https://{}", plain.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = plain.accept().await {
            stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                .await
                .unwrap();
        }
    });
    for url in [closed.as_str(), "http://host.invalid:8006", &not_tls] {
        let error = create(&client(url, pve::Auth::token("a@pve!b", "c"))).await;
        assert!(matches!(error, Error::Unsent { .. }), "{url}: {error}");
        assert!(!error.may_have_executed());
        assert!(error.is_transient());
    }
}

#[tokio::test]
async fn a_node_that_could_not_be_reached_has_executed_nothing() {
    let mock = Mock::always(MockResponse::status("595 No route to host", "")).await;
    let error = create(&mock.client()).await;
    assert!(matches!(error, Error::Unsent { .. }), "{error}");
    assert!(error.to_string().contains("No route to host"));
}

#[tokio::test]
async fn an_answer_that_is_cut_off_late_or_not_proxmox_leaves_it_open() {
    let full = r#"{"data":"UPID:pve:00000001:00000001:00000001:vzcreate:101:lease@pve!svc:"}"#;
    let cut = &full[..20];
    let head = |length: usize| format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    let cases = [
        ("closed before the answer", MockResponse::Last(Vec::new())),
        (
            "closed within the head",
            MockResponse::Last(b"HTTP/1.1 200 OK\r\nConte".to_vec()),
        ),
        (
            "closed after the head",
            MockResponse::Last(head(full.len()).into_bytes()),
        ),
        (
            "closed within the body",
            MockResponse::Last(format!("{}{cut}", head(full.len())).into_bytes()),
        ),
        ("truncated JSON", MockResponse::json(cut)),
        ("empty", MockResponse::json("")),
        ("HTML", MockResponse::json("<html>login</html>")),
        ("JSON without the envelope", MockResponse::json("{}")),
        (
            "not HTTP",
            MockResponse::Last(b"\x15\x03\x01\x00\x02\x02\x50".to_vec()),
        ),
        ("late", MockResponse::Silence),
        (
            "late after the head",
            MockResponse::Bytes(head(10).into_bytes()),
        ),
        ("596", MockResponse::status("596 ssl3_read_bytes", "")),
        ("597", MockResponse::status("597 read error", "")),
        ("599", MockResponse::status("599 Too many redirections", "")),
        (
            "a gateway's error",
            MockResponse::status("502 Bad Gateway", "<html>nginx</html>"),
        ),
        (
            "a gateway's time-out",
            MockResponse::status("504 Gateway Time-out", ""),
        ),
        (
            "an empty 500",
            MockResponse::status("500 Internal Server Error", ""),
        ),
    ];
    for (case, answer) in cases {
        let mock = Mock::always(answer).await;
        let error = create(&mock.client()).await;
        assert_ambiguous(&error, case);
        assert_eq!(mock.seen().len(), 1, "{case}: a create must be sent once");
    }
}

#[tokio::test]
async fn a_huge_answer_is_not_read_to_its_end() {
    let body = format!("{{\"data\":\"{}\"}}", "x".repeat(17 * 1024 * 1024));
    let mock = Mock::always(MockResponse::json(&body)).await;
    let error = mock.client().version().await.unwrap_err();
    assert!(matches!(error, Error::Ambiguous { .. }), "{error}");
    assert!(!error.may_have_executed(), "a read changes nothing");
}

#[tokio::test]
async fn only_a_known_text_proves_that_a_create_was_not_executed() {
    for (text, may_have) in [
        ("CT 101 already exists on node 'pve'", false),
        (
            "unable to create CT 101 - CT 101 already exists on node 'pve'",
            false,
        ),
        ("storage 'x' does not exist", false),
        ("cluster not ready - no quorum?", false),
        (
            "unable to create CT 101 - can't lock file '/run/lock/lxc/pve-config-101.lock' - got timeout",
            true,
        ),
        ("a new kind of trouble", true),
    ] {
        let mock = Mock::always(MockResponse::status(
            &format!("500 {text}"),
            "{\"data\":null}",
        ))
        .await;
        let error = create(&mock.client()).await;
        assert!(matches!(error, Error::Refused { .. }), "{error}");
        assert_eq!(error.may_have_executed(), may_have, "{text}");
    }
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_meanwhile_is_not_the_callers_problem() {
    // The first response says "keep-alive", but the connection is closed.
    let answer = r#"{"data":{"version":"9.0.11","release":"9.0","repoid":"x"}}"#;
    let bytes = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: keep-alive\r\n\r\n{answer}",
        answer.len()
    );
    let mock = Mock::always(MockResponse::Last(bytes.into_bytes())).await;
    let client = mock.client();
    for _ in 0..5 {
        // The pool notices a closed connection once its task has run.
        tokio::task::yield_now().await;
        match client.version().await {
            Ok(version) => assert_eq!(version.version, "9.0.11"),
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
    }
}
