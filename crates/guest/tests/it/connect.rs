//! Connections: who is talked to, how many there are, and how they end.

use std::time::{Duration, Instant};

use guest::{CommandRequest, GuestError, GuestKey, HostKeys};

use crate::sshd::{Sshd, connections, eventually, free_port, run, run_request};

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn another_host_key_is_refused_before_a_login_is_tried() {
    let sshd = Sshd::with("LogLevel DEBUG1");
    let other = Sshd::start();
    let connections = connections();
    for keys in [
        other.host_keys,
        HostKeys {
            ecdsa: None,
            ..other.host_keys
        },
        HostKeys {
            ed25519: None,
            ..other.host_keys
        },
    ] {
        let mut target = sshd.target();
        target.host_keys = keys;
        let error = connections.guest(target).probe().await.unwrap_err();
        assert_eq!(error, GuestError::HostKeyMismatch);
    }
    let log = std::fs::read_to_string(sshd.path().join("log")).unwrap();
    assert!(!log.contains("userauth-request"), "{log}");
    let mut target = sshd.target();
    target.host_keys = HostKeys::default();
    assert_eq!(
        connections.guest(target).probe().await,
        Err(GuestError::NoHostKey)
    );
    for keys in [
        HostKeys {
            ecdsa: None,
            ..sshd.host_keys
        },
        HostKeys {
            ed25519: None,
            ..sshd.host_keys
        },
    ] {
        let mut target = sshd.target();
        target.host_keys = keys;
        connections.guest(target).probe().await.unwrap();
    }
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn the_reason_of_a_failed_connection_is_told() {
    let mut sshd = Sshd::start();
    let connections = connections();
    let guest = connections.guest(sshd.target());
    // The customer removed the key. OpenSSH would ban us after a few tries, so they stop.
    let mut target = sshd.target();
    target.lease_id = "another".to_owned();
    target.key = GuestKey::derive(b"installation", "another");
    let other = connections.guest(target);
    for _ in 0..10 {
        assert_eq!(other.probe().await, Err(GuestError::AuthRefused));
    }
    let log = std::fs::read_to_string(sshd.path().join("log")).unwrap();
    let tries = log
        .matches("Connection closed by authenticating user")
        .count();
    assert!(tries <= 2, "{log}");
    guest.probe().await.unwrap();
    connections.forget(&sshd.lease);
    sshd.stop();
    assert_eq!(guest.probe().await, Err(GuestError::Refused));
    sshd.start_again();
    assert_eq!(run(&guest, "echo again").await.stdout, b"again\n");
}

#[tokio::test]
async fn a_server_of_another_kind_is_told_apart() {
    use tokio::io::AsyncWriteExt as _;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let mut target = target_without_sshd(port);
    assert_eq!(
        connections().guest(target.clone()).probe().await,
        Err(GuestError::NotSsh)
    );
    target.port = free_port();
    assert_eq!(
        connections().guest(target).probe().await,
        Err(GuestError::Refused)
    );
}

fn target_without_sshd(port: u16) -> guest::GuestTarget {
    let print = "ed25519=SHA256:uNiVztksCsDhcc0u9e8BgrJXVGLeDY8pfgnyjIq1Wqo";
    guest::GuestTarget {
        lease_id: "lease".to_owned(),
        address: "127.0.0.1".parse().unwrap(),
        port,
        key: GuestKey::derive(b"installation", "lease"),
        host_keys: HostKeys::parse(print).unwrap(),
    }
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn a_frozen_guest_is_told_and_used_again_after_it_thawed() {
    let sshd = Sshd::start();
    let connections = connections();
    let guest = connections.guest(sshd.target());
    guest.probe().await.unwrap();
    sshd.signal_all("-STOP");
    // The open connection does not answer, and a new one gets no greeting.
    let opened = tokio::time::timeout(Duration::from_secs(1), guest.open_command(false)).await;
    assert!(opened.is_err());
    assert_eq!(guest.probe().await, Err(GuestError::Unreachable));
    sshd.signal_all("-CONT");
    assert_eq!(run(&guest, "echo again").await.stdout, b"again\n");
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn a_server_with_few_sessions_is_slower_but_fails_nothing() {
    let sshd = Sshd::with("MaxSessions 2\nMaxStartups 1");
    let guest = sshd.guest();
    let commands: Vec<_> = (0..12)
        .map(|n| {
            let guest = guest.clone();
            tokio::spawn(async move { run(&guest, &format!("sleep 0.2; echo {n}")).await })
        })
        .collect();
    for (n, command) in commands.into_iter().enumerate() {
        assert_eq!(command.await.unwrap().stdout, format!("{n}\n").into_bytes());
    }
    let streams: Vec<_> = (0..8)
        .map(|_| {
            let guest = guest.clone();
            tokio::spawn(async move { guest.open_command(true).await.map(drop) })
        })
        .collect();
    for stream in streams {
        stream.await.unwrap().unwrap();
    }
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn a_lost_connection_says_whether_the_command_may_have_run() {
    let sshd = Sshd::start();
    let connections = connections();
    let guest = connections.guest(sshd.target());
    let command = guest.open_command(false).await.unwrap();
    let running = tokio::spawn(command.run(CommandRequest::new("sleep 15"), None));
    let asleep = || {
        sshd.processes().iter().any(|pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.starts_with(b"sleep\x00")
        })
    };
    eventually("the command runs", asleep).await;
    // Its command goes on, as one does whose terminal is gone.
    connections.forget(&sshd.lease);
    let error = running.await.unwrap().unwrap_err();
    assert!(error.may_have_run(), "{error:?}");
    // A connection that ended before the request was written ran nothing.
    let command = guest.open_command(false).await.unwrap();
    connections.forget(&sshd.lease);
    eventually("the connections end", || sshd.processes().is_empty()).await;
    let error = command
        .run(CommandRequest::new("echo"), None)
        .await
        .unwrap_err();
    assert!(matches!(error, GuestError::Lost { .. }), "{error:?}");
    assert_eq!(run(&guest, "echo next").await.stdout, b"next\n");
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn idle_connections_are_closed() {
    let sshd = Sshd::start();
    let limits = guest::Limits {
        control_idle: Duration::from_millis(200),
        stream_idle: Duration::from_millis(100),
        ..guest::Limits::default()
    };
    let login = crate::sshd::login();
    let connections = guest::GuestConnections::with_login(guest::Dialer::Direct, limits, login);
    let guest = connections.guest(sshd.target());
    let command = guest.open_command(true).await.unwrap();
    run(&guest, "true").await;
    let counts = connections.counts();
    assert_eq!((counts.control, counts.stream), (1, 1));
    command
        .run(CommandRequest::new("sleep 0.5"), None)
        .await
        .unwrap();
    eventually("all connections close", || sshd.processes().is_empty()).await;
    assert_eq!(connections.counts(), guest::ConnectionCounts::default());
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn a_warm_command_needs_no_login() {
    let sshd = Sshd::start();
    let guest = sshd.guest();
    guest.probe().await.unwrap();
    let started = Instant::now();
    for _ in 0..20 {
        run(&guest, "true").await;
    }
    // Twenty logins alone would take longer; this is no benchmark.
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    let log = std::fs::read_to_string(sshd.path().join("log")).unwrap();
    assert_eq!(log.matches("Accepted publickey").count(), 1, "{log}");
    // The request is refused, and the connection goes on.
    let error = run_request(&guest, CommandRequest::new("\0")).await;
    assert!(error.is_err());
}
