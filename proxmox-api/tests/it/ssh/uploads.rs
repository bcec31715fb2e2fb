//! Uploads that fail, and ranges of files: each is answered as what it is.

use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::server::SshGuest;

/// A body of which nothing comes after the first piece.
pub(super) fn stalling_body() -> reqwest::Body {
    let first = futures_util::stream::iter([Ok::<_, std::io::Error>(bytes::Bytes::from("begun"))]);
    reqwest::Body::wrap_stream(first.chain(futures_util::stream::pending()))
}

#[tokio::test]
#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[cfg_attr(
    all(has_sshd, not(has_mount)),
    ignore = "needs the right to mount a file system"
)]
async fn a_body_that_is_broken_is_the_clients_fault() {
    let ssh = SshGuest::start().await;
    let host = ssh.guest.app.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let head = format!(
        "PUT {} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\n\
         Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        ssh.path("files?path=/srv/f"),
        ssh.session.0
    );
    // The second chunk's length is no number.
    let text = format!("{head}5\r\nbegun\r\nZZ\r\n");
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    let read = tokio::time::timeout(Duration::from_secs(20), read).await;
    read.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(answer.contains("\"invalid_request\""), "{answer}");
    assert_eq!(ssh.guest.output("ls /srv").await, "");
}

#[tokio::test]
#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[cfg_attr(
    all(has_sshd, not(has_mount)),
    ignore = "needs the right to mount a file system"
)]
async fn a_refusal_and_a_lost_connection_are_told_apart() {
    let mut ssh = SshGuest::start().await;
    let url = |path: &str| {
        let path = ssh.path(&format!("files?path={path}"));
        format!("{}{path}", ssh.guest.app.url)
    };
    let put = |url: String| {
        let put = ssh.guest.app.http.request(Method::PUT, url);
        put.bearer_auth(&ssh.session.0)
    };
    // A file system in which nothing can be made.
    let refused = put(url("/sys/new")).body("x").send().await.unwrap();
    let status = refused.status().as_u16();
    let body: Value = refused.json().await.unwrap();
    assert_eq!(
        (status, &body["error"]["code"]),
        (409, &json!("file_conflict")),
        "{body}"
    );
    let cut = put(url("/srv/f")).body(stalling_body());
    let cut = tokio::spawn(cut.send());
    crate::support::until("the upload begins", async || {
        let listed = ssh.guest.output("ls /srv").await;
        listed.starts_with("f.i402-").then_some(())
    })
    .await;
    ssh.server.stop();
    let cut = tokio::time::timeout(Duration::from_secs(20), cut).await;
    let cut = cut.unwrap().unwrap().unwrap();
    let status = cut.status().as_u16();
    let body: Value = cut.json().await.unwrap();
    assert_eq!(
        (status, &body["error"]["code"]),
        (502, &json!("hypervisor_error")),
        "{body}"
    );
}

#[tokio::test]
#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[cfg_attr(
    all(has_sshd, not(has_mount)),
    ignore = "needs the right to mount a file system"
)]
async fn ranges_of_short_and_empty_files_are_those_of_the_standard() {
    let ssh = SshGuest::start().await;
    ssh.guest
        .output("printf abcd >/srv/short; : >/srv/empty")
        .await;
    for (name, range, status, shown, content) in [
        ("empty", "bytes=0-", 416, Some("bytes */0"), ""),
        ("empty", "bytes=0-9", 416, Some("bytes */0"), ""),
        ("empty", "bytes=-5", 200, None, ""),
        ("short", "bytes=4-", 416, Some("bytes */4"), ""),
        ("short", "bytes=2-99", 206, Some("bytes 2-3/4"), "cd"),
        ("short", "bytes=-3", 206, Some("bytes 1-3/4"), "bcd"),
        ("short", "bytes=-99", 200, None, "abcd"),
        ("short", "bytes=3-1", 200, None, "abcd"),
    ] {
        let path = ssh.path(&format!("files?path=/srv/{name}"));
        let get = ssh
            .guest
            .app
            .http
            .get(format!("{}{path}", ssh.guest.app.url));
        let get = get.bearer_auth(&ssh.session.0).header("range", range);
        let answer = get.send().await.unwrap();
        let told = answer.headers().get("content-range");
        let told = told.map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(
            (answer.status().as_u16(), told.as_deref()),
            (status, shown),
            "{name} {range}"
        );
        assert_eq!(answer.text().await.unwrap(), content, "{name} {range}");
    }
}
