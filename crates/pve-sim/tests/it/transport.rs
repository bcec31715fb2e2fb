//! The rules of pveproxy's HTTP.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{Node, send};

/// Sends raw bytes to a plain HTTP simulator and reads to the end.
async fn raw(node: &Node, request: &str) -> String {
    let mut stream = TcpStream::connect(node.sim.addr()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(Duration::from_secs(8), stream.read_to_end(&mut answer))
        .await
        .unwrap()
        .unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn status_line(answer: &str) -> &str {
    answer.lines().next().unwrap_or_default()
}

#[tokio::test]
async fn what_pveproxy_cannot_do_is_501_with_an_empty_body() {
    let node = Node::with(|config| config.tls = false).await;
    let cases = [
        (
            "PATCH /api2/json/version HTTP/1.1\r\nHost: x\r\n\r\n",
            "501 method 'PATCH' not available",
        ),
        (
            "POST /api2/json/nodes/pve/lxc HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "501 chunked transfer encoding not supported",
        ),
        (
            "DELETE /api2/json/nodes/pve/lxc/100 HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\nforce=1",
            "501 Unexpected content for method 'DELETE'",
        ),
        (
            "GET /api2/json/version HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx",
            "501 Unexpected content for method 'GET'",
        ),
        (
            "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n",
            "501 no such file '/nothing'",
        ),
    ];
    for (request, expected) in cases {
        let answer = raw(&node, request).await;
        assert_eq!(status_line(&answer), format!("HTTP/1.1 {expected}"));
        assert!(answer.contains("Connection: close\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn too_much_is_refused() {
    let node = Node::with(|config| config.tls = false).await;
    let many: String = (0..70).map(|number| format!("X-{number}: 1\r\n")).collect();
    let answer = raw(
        &node,
        &format!("GET /api2/json/version HTTP/1.1\r\nHost: x\r\n{many}\r\n"),
    )
    .await;
    assert_eq!(
        status_line(&answer),
        "HTTP/1.1 400 too many http header lines (> 64)"
    );
    let long = "a".repeat(9000);
    let answer = raw(
        &node,
        &format!("GET /api2/json/version HTTP/1.1\r\nHost: x\r\nX: {long}\r\n\r\n"),
    )
    .await;
    assert_eq!(status_line(&answer), "HTTP/1.1 400 http header too large");
    let answer = raw(
        &node,
        "POST /api2/json/nodes/pve/lxc HTTP/1.1\r\nHost: x\r\nContent-Length: 600000\r\n\r\n",
    )
    .await;
    assert_eq!(status_line(&answer), "HTTP/1.1 501 for data too large");
}

#[tokio::test]
async fn an_unknown_path_is_not_implemented_rather_than_not_found() {
    let node = Node::start().await;
    let reply = node
        .call("POST", "/nodes/pve/lxc/100/exec", &[("command", "id")])
        .await;
    assert_eq!(
        (reply.status, reply.message()),
        (501, "Method 'POST /nodes/pve/lxc/100/exec' not implemented")
    );
    assert_eq!(
        reply.reason,
        "Method 'POST /nodes/pve/lxc/100/exec' not implemented"
    );
}

#[tokio::test]
async fn a_wrong_node_name_fails_where_the_request_is_forwarded() {
    let node = Node::with(|config| config.nodes = vec!["pve".into(), "pve2".into()]).await;
    let qualified = node.call("GET", "/nodes/pve.example.org/lxc", &[]).await;
    assert_eq!(qualified.status, 596);
    let unknown = node.call("GET", "/nodes/pve3/lxc", &[]).await;
    assert_eq!(unknown.status, 500);
    assert!(
        unknown
            .message()
            .starts_with("hostname lookup 'pve3' failed")
    );
    node.sim.set_node_online("pve2", false);
    let offline = node.call("GET", "/nodes/pve2/lxc", &[]).await;
    assert_eq!(
        (offline.status, offline.reason.as_str()),
        (595, "No route to host")
    );
    let nodes = node.call("GET", "/nodes", &[]).await;
    assert_eq!(nodes.data()[1]["status"], "offline");
    assert!(nodes.data()[1].get("maxmem").is_none());
}

#[tokio::test]
async fn a_parameter_that_contradicts_the_path_is_refused() {
    let node = Node::start().await;
    let reply = node
        .call("GET", "/nodes/pve/lxc", &[("node", "other")])
        .await;
    assert_eq!(
        reply.body["errors"]["node"],
        "duplicate parameter (already defined in URI) with conflicting values!"
    );
    assert_eq!(
        node.call("GET", "/nodes/pve/lxc", &[("node", "pve")])
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn the_query_overrides_the_body() {
    let node = Node::start().await;
    let request = node
        .request("POST", "/nodes/pve/lxc?vmid=100")
        .header("Authorization", node.authorization())
        .form(&[
            ("vmid", "7"),
            ("pool", "nowhere"),
            ("ostemplate", crate::client::DEBIAN),
        ]);
    let reply = send(request).await;
    assert_eq!(reply.status, 403, "{reply:?}");
}

#[tokio::test]
async fn plain_http_is_sent_to_https() {
    let node = Node::start().await;
    let answer = raw(&node, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(status_line(&answer), "HTTP/1.1 301 Moved Permanently");
    assert!(answer.contains(&format!("Location: https://{}/", node.sim.addr())));
}

#[tokio::test]
async fn a_client_that_does_not_know_the_ca_is_not_served() {
    let node = Node::start().await;
    let stranger = reqwest::Client::builder().http1_only().build().unwrap();
    let error = stranger
        .get(format!("{}/api2/json/version", node.sim.url()))
        .send()
        .await
        .unwrap_err();
    assert!(error.is_connect(), "{error:?}");
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_five_seconds() {
    let node = Node::with(|config| config.tls = false).await;
    let begun = std::time::Instant::now();
    let request = format!(
        "GET /api2/json/version HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\n\r\n",
        node.authorization()
    );
    let answer = raw(&node, &request).await;
    assert_eq!(status_line(&answer), "HTTP/1.1 200 OK");
    assert!(
        begun.elapsed() >= Duration::from_millis(4500),
        "{:?}",
        begun.elapsed()
    );
}
