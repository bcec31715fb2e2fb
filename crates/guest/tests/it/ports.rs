//! Connections to what listens in the guest.

use guest::GuestError;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::sshd::{Sshd, free_port, run};

/// A server that sends back what it gets.
async fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    port
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn bytes_go_to_a_port_and_back_until_both_ends_closed() {
    let sshd = Sshd::start();
    let guest = sshd.guest();
    let port = echo().await;
    for _ in 0..3 {
        let stream = guest.dial(port).await.unwrap();
        let (mut read, mut write) = tokio::io::split(stream);
        let sent: Vec<u8> = (0..5_000_000_u32).map(|n| (n % 251) as u8).collect();
        let copy = sent.clone();
        let writing = tokio::spawn(async move {
            write.write_all(&copy).await.unwrap();
            write.shutdown().await.unwrap();
            write
        });
        let mut got = Vec::new();
        read.read_to_end(&mut got).await.unwrap();
        writing.await.unwrap();
        assert!(got == sent);
    }
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn a_port_where_nothing_listens_is_refused_and_the_connection_used_again() {
    let sshd = Sshd::start();
    let connections = crate::sshd::connections();
    let guest = connections.guest(sshd.target());
    for _ in 0..5 {
        let dialled = guest.dial(free_port()).await.map(drop);
        assert_eq!(dialled, Err(GuestError::Refused));
    }
    assert_eq!(connections.counts().stream, 1);
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn a_server_that_forbids_forwarding_is_told_from_a_closed_port() {
    let sshd = Sshd::with("AllowTcpForwarding no");
    let guest = sshd.guest();
    let port = echo().await;
    let dialled = guest.dial(port).await.map(drop);
    assert_eq!(dialled, Err(GuestError::ForwardingProhibited));
    // Commands go on.
    assert_eq!(run(&guest, "echo on").await.stdout, b"on\n");
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn more_streams_than_a_lease_may_have_wait_and_are_refused() {
    let sshd = Sshd::start();
    let limits = guest::Limits {
        wait: std::time::Duration::from_secs(2),
        ..guest::Limits::default()
    };
    let login = crate::sshd::login();
    let connections = guest::GuestConnections::with_login(guest::Dialer::Direct, limits, login);
    let guest = connections.guest(sshd.target());
    let port = echo().await;
    let mut streams = Vec::new();
    for _ in 0..32 {
        streams.push(guest.dial(port).await.unwrap());
    }
    assert_eq!(connections.counts().stream, 32);
    assert_eq!(guest.dial(port).await.map(drop), Err(GuestError::TooMany));
    // Commands have connections of their own.
    assert_eq!(run(&guest, "echo on").await.stdout, b"on\n");
    // One that ends makes room for one that waits.
    let waiting = tokio::spawn({
        let guest = guest.clone();
        async move { guest.dial(port).await.map(drop) }
    });
    tokio::task::yield_now().await;
    drop(streams.pop());
    waiting.await.unwrap().unwrap();
}
