//! Terminals: tickets, framing, the shared session, its end, and faults.

use std::time::{Duration, Instant};

use pve_sim::{Fault, FaultKind, Operation, ShellMode, SimConfig};

use crate::client::Node;
use crate::socket::{Proxy, Socket};

/// A node with one running container, whose shell is the host's by default.
pub(crate) async fn node(change: impl FnOnce(&mut SimConfig)) -> Node {
    let node = Node::with(|config| {
        config.tls = false;
        config.shell = plain_shell();
        change(config);
    })
    .await;
    let create = node
        .create(100, &[("cmode", "shell"), ("hostname", "web")])
        .await;
    assert_eq!(node.finish(&create).await, "OK");
    let start = node
        .call("POST", "/nodes/pve/lxc/100/status/start", &[])
        .await;
    assert_eq!(node.finish(&start).await, "OK");
    node
}

/// A POSIX shell that every Debian has.
pub(crate) fn plain_shell() -> ShellMode {
    ShellMode::HostForTests("/bin/sh".into())
}

/// The same, unchanged.
async fn plain() -> Node {
    node(|_| {}).await
}

/// Waits until the task that served a terminal has ended, and returns its exit status.
async fn exit_of(node: &Node, upid: &str) -> String {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let task = node
            .sim
            .tasks()
            .into_iter()
            .find(|task| task.upid == upid)
            .unwrap();
        if let Some(exit) = task.exit_status {
            return exit;
        }
        assert!(Instant::now() < deadline, "{upid} does not end");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_terminal_opens_with_a_token_and_shows_what_the_shell_says() {
    let node = plain().await;
    let proxy = Proxy::ask(&node, 100).await;
    assert_eq!(
        (proxy.user.as_str(), proxy.port),
        ("infra402@pve!svc", 5900)
    );
    assert!(
        proxy.ticket.starts_with("PVEVNC:")
            && proxy.ticket.contains('/') | proxy.ticket.contains('+')
    );
    assert!(proxy.upid.contains(":vncproxy:100:"));
    let mut socket = proxy.open(&node).await;
    let shown = socket.until("# ").await;
    assert!(shown.starts_with("\x1b[H\x1b[J"), "{shown:?}");
    // Several messages in one frame, and one message in several frames.
    socket.send(b"1:200:50:20:9:echo one\r0:9:ec").await;
    socket.send(b"ho tw").await;
    socket.send(b"o\r").await;
    let shown = socket.until("\r\ntwo\r\n").await;
    assert!(shown.contains("\r\none\r\n"), "{shown:?}");
    drop(socket);
    assert_eq!(exit_of(&node, &proxy.upid).await, "OK");
}

#[tokio::test]
async fn a_wrong_ticket_ends_the_connection_without_a_byte() {
    let node = plain().await;
    let credentials = format!("Authorization: {}", node.authorization());
    for line in [
        "infra402@pve!svc:PVEVNC:00000000::xx\n",
        "root@pam:x\n",
        "nonsense\n",
    ] {
        let proxy = Proxy::ask(&node, 100).await;
        let mut socket = proxy.connect(&node, &credentials).await.unwrap();
        socket.send(line.as_bytes()).await;
        assert_eq!(socket.end().await, "");
        assert!(
            exit_of(&node, &proxy.upid)
                .await
                .ends_with("failed: exit code 1")
        );
    }
}

#[tokio::test]
async fn an_older_console_refuses_tokens_in_silence_and_takes_a_user() {
    let node = node(|config| config.console_tokens = false).await;
    let proxy = Proxy::ask(&node, 100).await;
    let credentials = format!("Authorization: {}", node.authorization());
    let mut socket = proxy.connect(&node, &credentials).await.unwrap();
    socket
        .send(format!("{}:{}\n", proxy.user, proxy.ticket).as_bytes())
        .await;
    assert_eq!(socket.end().await, "");

    let login = node
        .login(&node.sim.console_user(), &node.sim.console_password())
        .await;
    let reply = node
        .as_ticket(&login, "POST", "/nodes/pve/lxc/100/termproxy", &[])
        .await;
    let proxy = Proxy::from_data(100, reply.data());
    let cookie = login.data()["ticket"].as_str().unwrap();
    let mut socket = proxy
        .connect(&node, &format!("Cookie: PVEAuthCookie={cookie}"))
        .await
        .unwrap();
    socket
        .send(format!("{}:{}\n", proxy.user, proxy.ticket).as_bytes())
        .await;
    socket.until("OK").await;
    socket.until("# ").await;
}

#[tokio::test]
async fn a_ticket_is_for_one_account_one_port_and_forty_seconds() {
    let node = plain().await;
    let proxy = Proxy::ask(&node, 100).await;
    let token = format!("Authorization: {}", node.authorization());
    let login = node.login("root@pam", &node.sim.root_password()).await;
    let cookie = format!(
        "Cookie: PVEAuthCookie={}",
        login.data()["ticket"].as_str().unwrap()
    );
    let refused = "HTTP/1.1 401 permission denied - invalid PVEVNC ticket";
    assert_eq!(
        proxy.connect(&node, &cookie).await.err().as_deref(),
        Some(refused)
    );
    let other_port = Proxy {
        port: 5950,
        upid: String::new(),
        ticket: proxy.ticket.clone(),
        user: proxy.user.clone(),
        vmid: 100,
    };
    assert_eq!(
        other_port.connect(&node, &token).await.err().as_deref(),
        Some(refused)
    );
    node.sim.advance_clock(Duration::from_secs(41));
    assert_eq!(
        proxy.connect(&node, &token).await.err().as_deref(),
        Some(refused)
    );
}

#[tokio::test]
async fn a_port_takes_one_connection_and_does_not_wait_for_ever() {
    let node = node(|config| config.terminal_window = Duration::from_millis(100)).await;
    let token = format!("Authorization: {}", node.authorization());
    let proxy = Proxy::ask(&node, 100).await;
    let first = proxy.connect(&node, &token).await.unwrap();
    let second = proxy.connect(&node, &token).await.err();
    let refused = "HTTP/1.1 501 connect to 'localhost:5900' failed: Connection refused";
    assert_eq!(second.as_deref(), Some(refused));
    // The client sends no ticket.
    assert!(exit_of(&node, &proxy.upid).await.contains("failed"));
    drop(first);

    let late = Proxy::ask(&node, 100).await;
    assert!(exit_of(&node, &late.upid).await.contains("failed"));
    assert!(late.connect(&node, &token).await.is_err());
    assert_eq!(Proxy::ask(&node, 100).await.port, 5900);
}

#[tokio::test]
async fn all_clients_of_a_container_share_one_session() {
    let node = plain().await;
    let mut first = Socket::terminal(&node, 100).await;
    first.until("# ").await;
    let mut second = Socket::terminal(&node, 100).await;
    second.until("\x1b[H\x1b[J").await;
    first.keys("echo shared\r").await;
    second.until("\r\nshared\r\n").await;
    second.keys("exit\r").await;
    let last = first.end().await;
    assert!(last.ends_with("[EOF - dtach terminating]\r\n"), "{last:?}");
    assert!(
        second
            .end()
            .await
            .ends_with("[EOF - dtach terminating]\r\n")
    );
    let mut third = Socket::terminal(&node, 100).await;
    third.until("# ").await;
}

#[tokio::test]
async fn a_session_outlives_its_clients_until_the_container_stops() {
    let node = plain().await;
    let mut first = Socket::terminal(&node, 100).await;
    first.until("# ").await;
    first.keys("x=kept\r").await;
    first.until("# ").await;
    first.keys("\x1c").await;
    assert!(first.end().await.ends_with("[detached]\r\n"));
    let mut second = Socket::terminal(&node, 100).await;
    second.keys("echo $x\r").await;
    second.until("\r\nkept\r\n").await;
    let stop = node
        .call("POST", "/nodes/pve/lxc/100/status/stop", &[])
        .await;
    assert_eq!(node.finish(&stop).await, "OK");
    assert!(
        second
            .end()
            .await
            .ends_with("[EOF - dtach terminating]\r\n")
    );

    let mut stopped = Socket::terminal(&node, 100).await;
    let last = stopped.end().await;
    assert!(
        last.starts_with("lxc-attach: 100:") && last.contains("[EOF"),
        "{last:?}"
    );
}

#[tokio::test]
async fn a_container_without_a_shell_console_asks_for_a_login() {
    let node = plain().await;
    node.container(101).await;
    let start = node
        .call("POST", "/nodes/pve/lxc/101/status/start", &[])
        .await;
    node.finish(&start).await;
    let mut socket = Socket::terminal(&node, 101).await;
    socket.until("CT101 login: ").await;
    socket.keys("root\r").await;
    socket.until("Password: ").await;
    socket.keys("secret\r").await;
    socket.until("Login incorrect").await;

    node.sim
        .faults()
        .inject(Fault::once(Operation::Websocket, FaultKind::LoginPrompt));
    let mut socket = Socket::terminal(&node, 100).await;
    socket.until("web login: ").await;
}

#[tokio::test]
async fn frames_against_the_rules_end_the_connection() {
    let node = plain().await;
    let mut too_long = vec![0x82, 0xff];
    too_long.extend((131_073_u64).to_be_bytes());
    let frames: [&[u8]; 5] = [
        &[0x82, 0x01, b'2'],
        &[0x02, 0x81, 0, 0, 0, 0, b'2'],
        &[0xc2, 0x81, 0, 0, 0, 0, b'2'],
        &[0x82, 0x81, 0, 0, 0, 0, b'x'],
        &too_long,
    ];
    for frame in frames {
        let mut socket = Socket::terminal(&node, 100).await;
        socket.until("\x1b[H\x1b[J").await;
        socket.raw(frame).await;
        socket.end().await;
    }
    let mut socket = Socket::terminal(&node, 100).await;
    socket.keys("echo still here\r").await;
    socket.until("\r\nstill here\r\n").await;
}

#[tokio::test]
async fn a_cut_comes_after_as_many_bytes_as_it_was_told() {
    let node = plain().await;
    node.sim
        .faults()
        .inject(Fault::once(Operation::Websocket, FaultKind::CutAfter(20)));
    let mut socket = Socket::terminal(&node, 100).await;
    socket
        .keys("echo 0123456789012345678901234567890123456789\r")
        .await;
    let shown = socket.end().await;
    assert_eq!(shown.trim_start_matches("OK").len(), 20, "{shown:?}");
}

#[tokio::test]
async fn an_occupied_session_wakes_up_at_control_c() {
    let node = plain().await;
    node.sim
        .faults()
        .inject(Fault::once(Operation::Websocket, FaultKind::BusySession));
    let mut socket = Socket::terminal(&node, 100).await;
    let shown = socket.until("sleep 100000").await;
    // The terminal echoes keys before the shell has started, and a shell that starts is ended by Ctrl+C.
    if !shown.contains("# ") {
        socket.until("# ").await;
    }
    socket.keys("echo lost\r").await;
    // Before the program has the terminal, the shell itself gets the key and ignores it.
    socket.asks("\x03", "# ").await;
    socket.keys("echo awake\r").await;
    let shown = socket.until("\r\nawake\r\n").await;
    assert!(!shown.contains("\r\nlost\r\n"), "{shown:?}");
}

#[tokio::test]
async fn aborting_the_task_ends_the_terminal() {
    let node = plain().await;
    let proxy = Proxy::ask(&node, 100).await;
    let mut socket = proxy.open(&node).await;
    node.call("DELETE", &format!("/nodes/pve/tasks/{}", proxy.upid), &[])
        .await;
    socket.end().await;
    assert_eq!(exit_of(&node, &proxy.upid).await, "received interrupt");
}

#[tokio::test]
async fn a_console_needs_its_own_privilege() {
    let node = plain().await;
    node.sim
        .set_role("Infra402Guest", &["VM.Audit", "VM.PowerMgmt"]);
    let reply = node.call("POST", "/nodes/pve/lxc/100/termproxy", &[]).await;
    assert_eq!(
        (reply.status, reply.message()),
        (403, "Permission check failed (/vms/100, VM.Console)")
    );
}
