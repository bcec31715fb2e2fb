//! Services that misbehave: names that act on the terminal, paths that lead elsewhere, sign-ins for
//! another service; and the connection for ssh, by a service that passes it on.

use std::{os::unix::fs::PermissionsExt as _, process::Stdio, sync::Arc};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{
        Path, Query, State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket},
    },
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::{get, post, put},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    task::JoinSet,
};

use crate::{
    market::serve,
    program::{Program, ended},
};

/// A service that says what a test wants.
#[derive(Default)]
pub struct Said {
    /// The host in the text to sign.
    pub domain: Option<&'static str>,
    pub hostname: &'static str,
    /// What is in the directory `/srv`.
    pub entries: Value,
}

struct Hostile {
    program: Program,
    _serving: JoinSet<()>,
}

/// The routes by which the program signs in and finds its containers.
pub fn sign_in_and_leases(said: Said) -> Router {
    Router::new()
        .route("/session/challenge", post(challenge))
        .route("/session", post(session))
        .route("/leases", get(leases))
        .with_state(Arc::new(said))
}

async fn hostile(said: Said) -> Hostile {
    let entries = said.entries.clone();
    let router = Router::new()
        .route("/lease/lease-a/files", get(files))
        .route("/lease/lease-a/proxy", get(proxy))
        .route("/lease/lease-a/ports", get(ports))
        .route(
            "/lease/lease-a/ports/{port}",
            put(open_port).delete(close_port),
        )
        .route("/lease/lease-a/ports/{port}/visit", post(visit_port))
        .route("/lease/lease-a/ssh-keys", put(add_key))
        .route("/lease/lease-a/ssh", get(ssh_access))
        .with_state(Arc::new(entries))
        .merge(sign_in_and_leases(said));
    let (url, serving) = serve(router).await;
    Hostile {
        program: Program::new(&url, 1),
        _serving: serving,
    }
}

async fn challenge(State(said): State<Arc<Said>>, Json(asked): Json<Value>) -> Json<Value> {
    let (domain, address) = (
        said.domain.unwrap_or("localhost"),
        asked["address"].as_str().unwrap(),
    );
    let message =
        format!("{domain} wants you to sign in with your Ethereum account:\n{address}\n\nSign in.");
    Json(json!({"message": message, "nonce": "n", "expiresAt": "2999-01-01T00:00:00Z"}))
}

async fn session() -> Json<Value> {
    Json(
        json!({"token": "t0ken", "tokenType": "Bearer", "wallet": "0x", "expiresAt": "2999-01-01T00:00:00Z"}),
    )
}

async fn leases(State(said): State<Arc<Said>>) -> Json<Value> {
    Json(json!({"leases": [{
        "leaseId": "lease-a", "status": "active", "ctid": 100, "hostname": said.hostname, "node": "pve",
        "sku": "s", "template": "t", "cores": 1, "memoryMB": 512, "diskGB": 8, "ownerWallet": "0x",
        "createdAt": "2026-01-01T00:00:00Z", "paid": "1",
    }]}))
}

#[derive(serde::Deserialize)]
struct FileQuery {
    path: String,
    #[serde(default)]
    about: bool,
}

async fn files(State(entries): State<Arc<Value>>, Query(query): Query<FileQuery>) -> Response {
    let kind = if query.path == "/srv" {
        "directory"
    } else {
        "file"
    };
    match (query.about, kind) {
        (true, _) => {
            Json(json!({"name": "srv", "kind": kind, "size": 1, "mode": "755"})).into_response()
        }
        (false, "directory") => {
            Json(json!({"path": "/srv", "entries": *entries, "truncated": false})).into_response()
        }
        _ => Bytes::from_static(b"evil").into_response(),
    }
}

/// Greets, and says back in capitals what it is told; `bye` ends it.
async fn proxy(headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    if headers["authorization"] != "Bearer t0ken" {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    upgrade.on_upgrade(async |mut socket: WebSocket| {
        let hello = Message::Binary(Bytes::from_static(b"SSH-2.0-x\r\n"));
        socket.send(hello).await.unwrap();
        while let Some(Ok(message)) = socket.recv().await {
            match message {
                Message::Binary(bytes) if bytes.as_ref() == b"bye" => {
                    let close = CloseFrame {
                        code: 4410,
                        reason: "the lease is over\u{1b}[2J".into(),
                    };
                    let _ = socket.send(Message::Close(Some(close))).await;
                }
                Message::Binary(bytes) => {
                    let back = Bytes::from(bytes.to_ascii_uppercase());
                    socket.send(Message::Binary(back)).await.unwrap();
                }
                _ => {}
            }
        }
    })
}

async fn ports() -> Json<Value> {
    let port = json!({"port": 80, "access": "public", "url": "https://80-x\u{1b}.example"});
    Json(json!({"ports": [port], "takenDown": "phishing"}))
}

async fn open_port(Path(port): Path<u16>, Json(asked): Json<Value>) -> Json<Value> {
    let url = format!("https://{port}-x.example");
    let link = (asked["access"] == "link").then(|| format!("{url}/?t=1"));
    Json(json!({"port": port, "access": asked["access"], "url": url, "link": link}))
}

async fn close_port() -> StatusCode {
    StatusCode::NO_CONTENT
}

async fn visit_port() -> Json<Value> {
    Json(json!({"url": "https://once.example", "token": "t"}))
}

async fn add_key(Json(asked): Json<Value>) -> Json<Value> {
    assert!(
        asked["publicKey"]
            .as_str()
            .unwrap()
            .starts_with("ssh-ed25519 AAAA"),
        "{asked}"
    );
    Json(json!({"fingerprint": "SHA256:x"}))
}

async fn ssh_access() -> Json<Value> {
    let known_hosts = ["box-x1 ssh-ed25519 AAAA", "evil\n* ssh-ed25519 BBBB"];
    Json(json!({"host": "box-x1", "user": "root", "knownHosts": known_hosts}))
}

#[tokio::test]
async fn a_name_that_acts_on_the_terminal_is_shown_as_text() {
    let service = hostile(Said {
        hostname: "b\u{1b}[2Jox\u{202e}\nrow",
        ..Said::default()
    })
    .await;
    let shown = service.program.text(&["ls"]).await;
    assert!(shown.contains("b\\u{1b}[2Jox\\u{202e}\\nrow"), "{shown}");
    assert!(
        !shown.contains('\u{1b}') && shown.lines().count() == 2,
        "{shown:?}"
    );
    let missing = service.program.run(&["stop", "other"]).await;
    assert_eq!(missing.status, 3);
    assert!(!missing.stderr.contains('\u{1b}'), "{:?}", missing.stderr);
    let shown = service.program.text(&["ports", "ls", "lease-a"]).await;
    assert!(
        shown.contains("https://80-x\\u{1b}.example\ntaken down: phishing"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_sign_in_to_another_service_is_not_signed() {
    let service = hostile(Said {
        domain: Some("bank.example"),
        ..Said::default()
    })
    .await;
    let ran = service.program.run(&["ls"]).await;
    assert_eq!(ran.status, 1);
    assert!(
        ran.stderr
            .contains("wants this wallet to sign in to bank.example"),
        "{}",
        ran.stderr
    );
}

#[tokio::test]
async fn a_container_cannot_write_beside_the_target() {
    let entry = |name: &str| json!({"name": name, "kind": "file", "size": 4, "mode": "4777"});
    let names = ["../evil", "..", "/evil", "a/b", "", "ok", "l\u{1b}x"];
    let service = hostile(Said {
        hostname: "box",
        entries: names.map(entry).into(),
        ..Said::default()
    })
    .await;
    let program = &service.program;
    let ran = program.run(&["--json", "cp", "box:/srv", "out/"]).await;
    assert_eq!(
        (ran.status, &ran.document()["files"]),
        (1, &json!(2)),
        "{}",
        ran.text()
    );
    let found = crate::program::tree(&program.path("out"));
    let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["l\u{1b}x", "ok"]);
    let about = std::fs::metadata(program.path("out/ok")).unwrap();
    assert_eq!(about.permissions().mode() & 0o7777, 0o755);
    assert!(!program.path("evil").exists());
    let skipped = program.run(&["cp", "box:/srv", "again"]).await.stderr;
    assert!(!skipped.contains('\u{1b}'), "{skipped:?}");
}

#[tokio::test]
async fn ports_are_opened_for_whom_it_is_said() {
    let service = hostile(Said {
        hostname: "box",
        ..Said::default()
    })
    .await;
    let program = &service.program;
    let owner = program.text(&["ports", "open", "box", "8080"]).await;
    assert_eq!(
        owner,
        "https://8080-x.example\nnext: infra402 ports visit box 8080\n"
    );
    let link = program
        .text(&["ports", "open", "box", "8080", "--access", "link"])
        .await;
    assert_eq!(link, "https://8080-x.example/?t=1\n");
    assert_eq!(
        program.text(&["ports", "visit", "box", "8080"]).await,
        "https://once.example\n"
    );
    assert_eq!(
        program.text(&["ports", "close", "box", "8080"]).await,
        "port 8080 is closed\n"
    );
    let closed = program.json(&["ports", "close", "box", "8080"]).await;
    assert_eq!(closed, json!({"port": 8080, "published": false}));
    assert_eq!(program.run(&["ports", "open", "box", "0"]).await.status, 2);
}

#[tokio::test]
async fn a_connection_carries_its_bytes_and_nothing_else() {
    let service = hostile(Said {
        hostname: "box",
        ..Said::default()
    })
    .await;
    let start = || {
        let mut command = service.program.command(&["proxy", "box"]);
        command.stdin(Stdio::piped()).spawn().unwrap()
    };
    // ssh ends its input when it is done.
    let mut child = start();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut hello = [0; 11];
    stdout.read_exact(&mut hello).await.unwrap();
    assert_eq!(&hello, b"SSH-2.0-x\r\n");
    stdin.write_all(b"some words\xff").await.unwrap();
    let mut back = [0; 11];
    stdout.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"SOME WORDS\xff");
    drop(stdin);
    let ended = child.wait_with_output().await.unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!((ended.status.code(), said.as_ref()), (Some(0), ""));

    // The lease ends.
    let mut child = start();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"bye").await.unwrap();
    let ended = child.wait_with_output().await.unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(
        said.contains("(4410): the lease is over\\u{1b}[2J"),
        "{said}"
    );
}

#[tokio::test]
#[cfg_attr(
    not(has_ssh_client),
    ignore = "needs OpenSSH's clients (Debian: openssh-client)"
)]
async fn ssh_is_told_the_pinned_host_key_and_a_key_of_its_own() {
    let service = hostile(Said {
        hostname: "box",
        ..Said::default()
    })
    .await;
    let program = &service.program;
    let block = program.text(&["ssh", "--config", "box"]).await;
    let state = program.path("state/ssh");
    let state = state.display();
    let expected = [
        "Host box",
        "  User root",
        &format!(
            "  ProxyCommand {} --api {} proxy lease-a",
            env!("CARGO_BIN_EXE_infra402"),
            program.api
        ),
        "  HostKeyAlias box-x1",
        &format!("  UserKnownHostsFile {state}/known_hosts-lease-a"),
        "  StrictHostKeyChecking yes",
    ]
    .iter()
    .map(|line| (*line).to_owned())
    .collect::<Vec<_>>();
    let lines: Vec<_> = block.lines().take(6).map(str::to_owned).collect();
    assert_eq!(lines, expected);
    let known = std::fs::read_to_string(program.path("state/ssh/known_hosts-lease-a")).unwrap();
    assert_eq!(
        known, "box-x1 ssh-ed25519 AAAA\n",
        "a line that is two is left out"
    );
    // ssh reads the block as it is.
    program.write("config", &block);
    let mut ssh = tokio::process::Command::new("ssh");
    ssh.args(["-F", "config", "-G", "box"])
        .current_dir(program.folder.path());
    let read = ended(ssh).await.ok().text();
    assert!(
        read.contains("\nhostkeyalias box-x1\n") && read.contains("proxy lease-a\n"),
        "{read}"
    );
}

#[tokio::test]
#[cfg_attr(
    not(has_ssh_client),
    ignore = "needs OpenSSH's clients (Debian: openssh-client)"
)]
async fn ssh_is_told_a_host_of_this_programs_and_none_that_the_customer_has_set_up() {
    let service = hostile(Said {
        hostname: "box",
        ..Said::default()
    })
    .await;
    let program = &service.program;
    // The service names its container like a host of the customer's.
    program.write(
        ".ssh/config",
        "Host box-x1\n  ForwardAgent yes\n  LocalCommand touch stolen\n",
    );
    let config = program.path(".ssh/config").display().to_string();
    let told = program.text(&["ssh", "box", "-F", &config, "-G"]).await;
    assert!(told.contains("\nhostkeyalias box-x1\n"), "{told}");
    assert!(told.contains("\nforwardagent no\n"), "{told}");
}
