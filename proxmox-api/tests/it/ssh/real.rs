//! The whole way with real parts: an unprivileged LXC container in which OpenSSH runs as Debian
//! configures it, with the keys of its creation, over a network interface.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use guest::{
    CommandRequest, Dialer, Fingerprint, GuestConnections, GuestError, GuestKey, GuestTarget,
    HostKeys, Limits, ShellRequest,
};
use pve_sim::{ShellMode, SimConfig, SshDefects};
use reqwest::Method;
use serde_json::json;
use service::crypto::sha256_hex;
use tokio::io::AsyncReadExt as _;

use super::{
    files::noise,
    simulated::{DEBIAN, guest_on},
};
use crate::{guest::Guest, support::until};

const SECOND: Duration = Duration::from_secs(1);

/// A leased container that answers by SSH.
async fn real_guest() -> Guest {
    let config = SimConfig {
        shell: ShellMode::Lxc,
        ..SimConfig::default()
    };
    let guest = guest_on(config, DEBIAN).await;
    guest.until_ssh().await;
    guest
}

/// The crate's own view of a leased container: connections beside those of the service.
async fn direct(guest: &Guest) -> (GuestConnections, GuestTarget) {
    let app = &guest.app.app;
    let lease = app.store.live_leases().await.unwrap().remove(0);
    let proxy = format!("socks5h://{}", guest.app.sim.guest_proxy());
    let dialer: Dialer = proxy.parse().unwrap();
    let target = GuestTarget {
        lease_id: lease.lease_id.to_string(),
        address: lease.ip.unwrap().parse().unwrap(),
        port: 22,
        key: app.installation.guest_key(&lease.lease_id),
        host_keys: HostKeys::parse(&lease.host_keys.unwrap()).unwrap(),
    };
    (GuestConnections::new(dialer, Limits::default()), target)
}

async fn run(guest: &guest::Guest, request: CommandRequest) -> guest::CommandOutcome {
    let opened = guest.open_command(false).await.unwrap();
    opened.run(request, None).await.unwrap()
}

#[tokio::test]
#[cfg_attr(
    not(has_lxc),
    ignore = "needs root, namespaces, LXC with a network interface, and dtach (Debian: lxc iproute2 dtach)"
)]
#[cfg_attr(
    all(has_lxc, not(has_sshd)),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
async fn commands_and_files_of_a_real_container_are_its_own_and_outlive_its_stop() {
    let guest = real_guest().await;
    let answer = guest
        .exec(json!({
            "command": "cat; echo $GREETING; pwd; id -un; hostname; cat /proc/self/uid_map; exit 3",
            "stdin": "in\n", "env": {"GREETING": "it's $HOME"}, "cwd": "/tmp", "user": "nobody",
        }))
        .await;
    assert_eq!(answer.body["via"], "ssh", "{:?}", answer.body);
    let shown = answer.body["stdout"].as_str().unwrap();
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!(lines[..5], ["in", "it's $HOME", "/tmp", "nobody", "box"]);
    let map: Vec<_> = lines[5].split_whitespace().collect();
    assert_eq!(map, ["0", "100000", "65536"]);
    assert_eq!(answer.body["exitCode"], 3);

    let session = guest.buyer.sign_in(&guest.app).await;
    let content = noise(8 << 20);
    let url = format!(
        "{}/lease/{}/files?path=/root/kept",
        guest.app.url, guest.ctid
    );
    let put = guest.app.http.put(&url).bearer_auth(&session.0);
    let put = put.body(content.clone()).send().await.unwrap();
    assert_eq!(put.status(), 200, "{:?}", put.text().await);
    let hash = guest.output("sha256sum </root/kept | cut -c1-64").await;
    assert_eq!(hash.trim(), sha256_hex(&content));

    let begun = guest
        .exec(json!({"command": "echo one; sleep 1; echo two >&2; exit 7", "background": true}))
        .await;
    assert_eq!(begun.status, 200, "{:?}", begun.body);
    let id = begun.body["commandId"].as_str().unwrap();
    let path = format!("/lease/{}/commands/{id}", guest.ctid);
    let ended = until("the command ends", async || {
        let shown = session.get(&guest.app, &path).await;
        (shown.body["state"] == "ended").then_some(shown.body)
    })
    .await;
    assert_eq!(
        (&ended["stdout"], &ended["stderr"]),
        (&json!("one\n"), &json!("two\n"))
    );
    assert_eq!(ended["exitCode"], 7);

    for action in ["stop", "start"] {
        let path = format!("/lease/{}/{action}", guest.ctid);
        let done = session.call(&guest.app, Method::POST, &path).await;
        assert_eq!(done.status, 200, "{:?}", done.body);
    }
    guest.until_ssh().await;
    let get = guest.app.http.get(&url).bearer_auth(&session.0);
    assert!(get.send().await.unwrap().bytes().await.unwrap() == content);
}

#[tokio::test]
#[cfg_attr(
    not(has_lxc),
    ignore = "needs root, namespaces, LXC with a network interface, and dtach (Debian: lxc iproute2 dtach)"
)]
#[cfg_attr(
    all(has_lxc, not(has_sshd)),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
async fn sessions_shells_and_ports_of_a_real_container_are_open_to_its_key_alone() {
    let guest = real_guest().await;
    let (connections, target) = direct(&guest).await;
    let inside = connections.guest(target.clone());
    let begun = Instant::now();
    let fifty = (0..50).map(|_| run(&inside, CommandRequest::new("sleep 1; echo done")));
    for outcome in join_all(fifty).await {
        assert_eq!(outcome.stdout, b"done\n");
    }
    assert!(begun.elapsed() < 20 * SECOND, "{:?}", begun.elapsed());
    let mut request = CommandRequest::new("sha256sum");
    request.stdin = noise(10 << 20);
    let hash = sha256_hex(&request.stdin);
    let outcome = run(&inside, request).await;
    assert_eq!(outcome.stdout, format!("{hash}  -\n").into_bytes());
    let mut request = CommandRequest::new("sleep 4711 & sleep 4712");
    request.timeout = SECOND / 2;
    assert!(run(&inside, request).await.timed_out);
    let left = CommandRequest::new("grep -lz '^471[12]$' /proc/[0-9]*/cmdline | wc -l");
    until("the processes end", async || {
        let count = run(&inside, left.clone()).await.stdout;
        (count.trim_ascii() == b"0").then_some(())
    })
    .await;

    let request = ShellRequest {
        cols: 100,
        rows: 30,
        term: "vt100".to_owned(),
    };
    let shell = inside.open_shell(&request).await.unwrap();
    let (mut reader, writer) = shell.split();
    writer.resize(132, 43).await.unwrap();
    writer
        .write("stty size; tty; exit 3\n".into())
        .await
        .unwrap();
    let mut seen = String::new();
    while let Some(data) = reader.read().await {
        seen += &String::from_utf8_lossy(&data);
    }
    assert!(seen.contains("43 132\r\n/dev/pts/"), "{seen}");
    assert_eq!(reader.exit_status(), Some(3));

    let mut stream = inside.dial(22).await.unwrap();
    let mut greeting = [0; 8];
    stream.read_exact(&mut greeting).await.unwrap();
    assert_eq!(&greeting, b"SSH-2.0-");
    assert_eq!(inside.dial(23).await.map(drop), Err(GuestError::Refused));

    let mut other = target.clone();
    other.lease_id = "another key".to_owned();
    other.key = GuestKey::derive(b"another installation", &target.lease_id);
    let refused = connections.guest(other).probe().await;
    assert_eq!(refused, Err(GuestError::AuthRefused));
    let mut other = target.clone();
    other.lease_id = "another host key".to_owned();
    let print: Fingerprint = "SHA256:uNiVztksCsDhcc0u9e8BgrJXVGLeDY8pfgnyjIq1Wqo"
        .parse()
        .unwrap();
    other.host_keys = HostKeys {
        ed25519: Some(print),
        ecdsa: None,
    };
    let refused = connections.guest(other).probe().await;
    assert_eq!(refused, Err(GuestError::HostKeyMismatch));
}

#[tokio::test]
#[cfg_attr(
    not(has_lxc),
    ignore = "needs root, namespaces, LXC with a network interface, and dtach (Debian: lxc iproute2 dtach)"
)]
#[cfg_attr(
    all(has_lxc, not(has_sshd)),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
async fn a_real_container_that_freezes_or_stops_in_the_middle_is_noticed() {
    let guest = real_guest().await;
    let (connections, target) = direct(&guest).await;
    let inside = connections.guest(target.clone());
    let frozen = |frozen| SshDefects {
        frozen,
        ..SshDefects::default()
    };
    guest.app.sim.set_ssh_defects(guest.ctid, frozen(true));
    let begun = Instant::now();
    assert_eq!(inside.probe().await, Err(GuestError::Unreachable));
    assert!(begun.elapsed() < 10 * SECOND, "{:?}", begun.elapsed());
    guest.app.sim.set_ssh_defects(guest.ctid, frozen(false));
    inside.probe().await.unwrap();

    // The service's own command, and one beside it, are cut off by the stop.
    let session = guest.buyer.sign_in(&guest.app).await;
    let stopped = async {
        let asleep = CommandRequest::new("grep -lz '^4713$' /proc/[0-9]*/cmdline | wc -l");
        until("both run", async || {
            let count = run(&inside, asleep.clone()).await.stdout;
            (String::from_utf8_lossy(&count)
                .trim()
                .parse::<u32>()
                .unwrap()
                >= 2)
                .then_some(())
        })
        .await;
        let path = format!("/lease/{}/stop", guest.ctid);
        let done = session.call(&guest.app, Method::POST, &path).await;
        assert_eq!(done.status, 200, "{:?}", done.body);
        Instant::now()
    };
    let beside = async {
        let opened = inside.open_command(false).await.unwrap();
        opened.run(CommandRequest::new("sleep 4713"), None).await
    };
    let paid = guest.exec(json!({"command": "sleep 4713", "timeoutSeconds": 60}));
    let (stopped, lost, answer) = tokio::join!(stopped, beside, paid);
    assert!(stopped.elapsed() < 20 * SECOND, "{:?}", stopped.elapsed());
    assert_eq!(lost.map(drop), Err(GuestError::Lost { may_have_run: true }));
    assert!(!answer.status.is_success(), "{:?}", answer.body);
    assert_eq!(
        answer.body["error"]["details"]["mayHaveRun"], true,
        "{:?}",
        answer.body
    );
}
