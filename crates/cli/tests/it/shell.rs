//! `infra402 ssh` with the system's ssh, and a real sshd behind the connection that the service
//! passes on.

use std::{fs, path::PathBuf, process::Stdio, sync::Arc};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{
        State, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    response::Response,
    routing::{get, put},
};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::Command,
    task::JoinSet,
};

use crate::{
    hostile::{Said, sign_in_and_leases},
    market::serve,
    program::{Program, ended},
};

/// A container whose SSH server is started anew for each connection.
struct Container {
    folder: TempDir,
    /// The name of the key that the service says is pinned.
    pinned: &'static str,
}

struct Service {
    program: Program,
    container: Arc<Container>,
    user: String,
    _serving: JoinSet<()>,
}

impl Container {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn make_key(&self, name: &str) {
        let mut keygen = Command::new("ssh-keygen");
        keygen
            .args(["-q", "-N", "", "-t", "ed25519", "-f"])
            .arg(self.path(name));
        ended(keygen).await.ok();
    }
}

/// A service that pins this key of a container, whose own is `host`.
async fn service(pinned: &'static str) -> Service {
    let folder = tempfile::tempdir().unwrap();
    let container = Arc::new(Container { folder, pinned });
    container.make_key("host").await;
    container.make_key("other").await;
    let path = container.folder.path().display();
    let config = format!(
        "UsePAM no\nStrictModes no\nPidFile none\nPermitRootLogin prohibit-password\n\
         HostKey {path}/host\nAuthorizedKeysFile {path}/authorized_keys\n\
         Subsystem sftp internal-sftp\n"
    );
    fs::write(container.path("sshd_config"), config).unwrap();
    // Where sshd is root's it wants this folder, which the system makes when its service starts.
    let _ = fs::create_dir_all("/run/sshd");
    let router = Router::new()
        .route("/lease/lease-a/ssh-keys", put(add_key))
        .route("/lease/lease-a/ssh", get(describe))
        .route("/lease/lease-a/proxy", get(proxy))
        .with_state(container.clone());
    let said = Said {
        hostname: "box",
        ..Said::default()
    };
    let (url, serving) = serve(router.merge(sign_in_and_leases(said))).await;
    let mut id = Command::new("id");
    id.arg("-un");
    let user = ended(id).await.ok().text().trim().to_owned();
    Service {
        program: Program::new(&url, 1),
        container,
        user,
        _serving: serving,
    }
}

async fn add_key(State(container): State<Arc<Container>>, Json(asked): Json<Value>) -> Json<Value> {
    let line = format!("{}\n", asked["publicKey"].as_str().unwrap());
    fs::write(container.path("authorized_keys"), line).unwrap();
    Json(json!({"fingerprint": "SHA256:x"}))
}

async fn describe(State(container): State<Arc<Container>>) -> Json<Value> {
    let public = container.path(&format!("{}.pub", container.pinned));
    let key = fs::read_to_string(public).unwrap();
    let line = format!("box-x1 {}", key.trim());
    Json(json!({"host": "box-x1", "user": "root", "knownHosts": [line]}))
}

async fn proxy(State(container): State<Arc<Container>>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async move |socket: WebSocket| {
        let mut sshd = Command::new("/usr/sbin/sshd");
        sshd.args(["-i", "-e", "-f"])
            .arg(container.path("sshd_config"));
        sshd.stdin(Stdio::piped()).stdout(Stdio::piped());
        sshd.stderr(Stdio::null()).kill_on_drop(true);
        let mut sshd = sshd.spawn().unwrap();
        let (mut input, mut output) = (sshd.stdin.take().unwrap(), sshd.stdout.take().unwrap());
        let (mut to_client, mut from_client) = socket.split();
        let requests = async {
            while let Some(Ok(message)) = from_client.next().await {
                match message {
                    Message::Binary(bytes) if input.write_all(&bytes).await.is_ok() => {}
                    Message::Binary(_) | Message::Close(_) => break,
                    _ => {}
                }
            }
        };
        let answers = async {
            let mut piece = vec![0; 32 * 1024];
            while let Ok(length @ 1..) = output.read(&mut piece).await {
                let bytes = Bytes::copy_from_slice(&piece[..length]);
                if to_client.send(Message::Binary(bytes)).await.is_err() {
                    break;
                }
            }
        };
        tokio::select! {
            () = requests => {}
            () = answers => {}
        }
    })
}

#[tokio::test]
#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[cfg_attr(
    all(has_sshd, not(has_ssh_client)),
    ignore = "needs OpenSSH's clients (Debian: openssh-client)"
)]
async fn ssh_and_scp_reach_a_container_through_the_service() {
    let service = service("host").await;
    let program = &service.program;
    let command = "echo $((6*7)); cat; echo wrong >&2; exit 7";
    let ran = program
        .fed(&["ssh", "-l", &service.user, "box", command], b"in\0\xff")
        .await;
    assert_eq!(
        (ran.status, ran.stdout.as_slice()),
        (7, &b"42\nin\0\xff"[..]),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("wrong"), "{}", ran.stderr);

    let block = program
        .text(&["ssh", "-l", &service.user, "--config", "box"])
        .await;
    program.write("config", block);
    let large: Vec<u8> = (0..2_000_000_u32)
        .map(|number| (number % 253) as u8)
        .collect();
    program.write("large", &large);
    for (from, to) in [("large", "box:there"), ("box:there", "back")] {
        let there = |name: &str| {
            name.replace(
                "there",
                &service.container.path("there").display().to_string(),
            )
        };
        let mut scp = Command::new("scp");
        scp.args(["-q", "-F", "config", &there(from), &there(to)]);
        scp.current_dir(program.folder.path())
            .env("INFRA402_KEY", program.key());
        scp.env("INFRA402_STATE", program.path("state"));
        ended(scp).await.ok();
    }
    assert!(
        fs::read(program.path("back")).unwrap() == large,
        "it came back as it was"
    );
}

#[tokio::test]
#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[cfg_attr(
    all(has_sshd, not(has_ssh_client)),
    ignore = "needs OpenSSH's clients (Debian: openssh-client)"
)]
async fn ssh_refuses_a_container_with_another_host_key() {
    let service = service("other").await;
    let marker = service.container.path("ran");
    let command = format!("touch {}", marker.display());
    let ran = service
        .program
        .run(&["ssh", "-l", &service.user, "box", &command])
        .await;
    assert_eq!(ran.status, 255, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("Host key verification failed"),
        "{}",
        ran.stderr
    );
    assert!(!marker.exists());
}
