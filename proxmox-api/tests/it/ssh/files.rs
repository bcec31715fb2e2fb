//! Files of a container over HTTP.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::server::{SRV_MIB, SshGuest};
use crate::support::until;

impl SshGuest {
    fn files(&self, query: &str) -> String {
        format!(
            "{}{}",
            self.guest.app.url,
            self.path(&format!("files?{query}"))
        )
    }

    fn request(&self, method: Method, query: &str) -> reqwest::RequestBuilder {
        let request = self.guest.app.http.request(method, self.files(query));
        request.bearer_auth(&self.session.0)
    }

    async fn put(&self, path: &str, content: impl Into<reqwest::Body>) -> (StatusCode, Value) {
        let request = self.request(Method::PUT, &format!("path={path}"));
        let answer = request.body(content).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    async fn content(&self, path: &str) -> Vec<u8> {
        let request = self.request(Method::GET, &format!("path={path}"));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.bytes().await.unwrap().into()
    }

    async fn names(&self, path: &str) -> Vec<String> {
        let request = self.request(Method::GET, &format!("path={path}"));
        let listed: Value = request.send().await.unwrap().json().await.unwrap();
        let entries = listed["entries"].as_array().unwrap();
        entries
            .iter()
            .map(|entry| entry["name"].as_str().unwrap().to_owned())
            .collect()
    }
}

pub fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 7_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    };
    (0..bytes).map(|_| next()).collect()
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
async fn a_file_comes_back_as_it_was_sent_whole_and_in_ranges() {
    let ssh = SshGuest::start().await;
    // Larger than any other body that the service reads.
    let content = noise(3 << 20);
    let (status, written) = ssh.put("/srv/a%20b", content.clone()).await;
    assert_eq!(status, 200, "{written}");
    assert_eq!(written["size"], content.len());
    assert_eq!(written["sha256"], service::crypto::sha256_hex(&content));
    assert_eq!(ssh.content("/srv/a%20b").await, content);

    let request = ssh.request(Method::GET, "path=/srv/a%20b");
    let part = request
        .header("range", "bytes=1000-1999")
        .send()
        .await
        .unwrap();
    assert_eq!(part.status(), 206);
    let range = format!("bytes 1000-1999/{}", content.len());
    assert_eq!(part.headers()["content-range"], range);
    assert_eq!(part.bytes().await.unwrap(), content[1000..2000]);
    let request = ssh.request(Method::GET, "path=/srv/a%20b");
    let beyond = request
        .header("range", "bytes=99999999-")
        .send()
        .await
        .unwrap();
    assert_eq!(beyond.status(), 416);
    let about = ssh.request(Method::GET, "path=/srv/a%20b&about=true");
    let about: Value = about.send().await.unwrap().json().await.unwrap();
    assert_eq!(about["size"], content.len());
    assert_eq!(
        (&about["name"], &about["kind"], &about["mode"]),
        (&json!("a b"), &json!("file"), &json!("644"))
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
async fn directories_are_made_listed_moved_and_removed() {
    let ssh = SshGuest::start().await;
    let change = async |body: Value| {
        let answer = ssh
            .request(Method::POST, "")
            .json(&body)
            .send()
            .await
            .unwrap();
        answer.status().as_u16()
    };
    let made = json!({"action": "make_directory", "path": "/srv/one/two"});
    assert_eq!(change(made.clone()).await, 204);
    assert_eq!(change(made).await, 204, "it exists by now");
    assert_eq!(ssh.put("/srv/one/f", "1").await.0, 200);
    let moved = json!({"action": "move", "path": "/srv/one/f", "to": "/srv/one/two/g"});
    assert_eq!(change(moved.clone()).await, 204);
    assert_eq!(change(moved).await, 404);
    assert_eq!(ssh.names("/srv/one").await, ["two"]);
    assert_eq!(ssh.names("/srv/one/two").await, ["g"]);
    let remove = async |query: &str| {
        let answer = ssh.request(Method::DELETE, query).send().await.unwrap();
        answer.status().as_u16()
    };
    assert_eq!(remove("path=/srv/one").await, 409, "it is not empty");
    assert_eq!(remove("path=/srv/one&recursive=true").await, 204);
    assert_eq!(remove("path=/srv/one").await, 404);
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
async fn an_upload_that_breaks_off_or_finds_no_room_leaves_the_old_file() {
    let ssh = SshGuest::start().await;
    assert_eq!(ssh.put("/srv/f", "old").await.0, 200);
    let chunks = futures_util::stream::iter([
        Ok(bytes::Bytes::from(noise(1 << 20))),
        Err(std::io::Error::other("hung up")),
    ]);
    let request = ssh.request(Method::PUT, "path=/srv/f");
    let sent = request
        .body(reqwest::Body::wrap_stream(chunks))
        .send()
        .await;
    assert!(sent.is_err());
    let (status, full) = ssh.put("/srv/f", noise((SRV_MIB as usize + 1) << 20)).await;
    assert_eq!(
        (status.as_u16(), &full["error"]["code"]),
        (507, &json!("disk_full")),
        "{full}"
    );
    until("the half file is removed", async || {
        (ssh.names("/srv").await == ["f"]).then_some(())
    })
    .await;
    assert_eq!(ssh.content("/srv/f").await, b"old");
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
async fn paths_that_are_none_and_files_that_are_not_there_are_refused() {
    let ssh = SshGuest::start().await;
    for (query, status, code) in [
        ("path=etc", 400, "invalid_request"),
        ("path=", 400, "invalid_request"),
        ("path=/a%00b", 400, "invalid_request"),
        ("path=/nowhere", 404, "file_not_found"),
        ("path=/etc/passwd/x", 404, "file_not_found"),
        ("path=/etc&depth=2", 400, "invalid_request"),
    ] {
        let answer = ssh.request(Method::GET, query).send().await.unwrap();
        let got = answer.status().as_u16();
        let body: Value = answer.json().await.unwrap();
        assert_eq!(
            (got, &body["error"]["code"]),
            (status, &json!(code)),
            "{query}: {body}"
        );
    }
    let (status, body) = ssh.put("/etc", "x").await;
    assert_eq!(
        (status.as_u16(), &body["error"]["code"]),
        (409, &json!("file_conflict"))
    );
    let stranger = ssh
        .guest
        .app
        .http
        .get(ssh.files("path=/etc"))
        .send()
        .await
        .unwrap();
    assert_eq!(stranger.status(), 401);
}
