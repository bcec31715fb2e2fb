//! The way through a SOCKS5 proxy.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use guest::{Dialer, GuestConnections, GuestError, Limits};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::sshd::{Sshd, free_port, login, run};

/// A SOCKS5 server that asks for a password, or not, and notes where it connects to. With a code
/// it refuses.
async fn proxy(
    password: Option<&'static str>,
    code: u8,
) -> (SocketAddr, Arc<Mutex<Vec<SocketAddr>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, password, code, seen.clone()));
        }
    });
    (address, asked)
}

async fn serve(
    mut client: TcpStream,
    password: Option<&'static str>,
    code: u8,
    asked: Arc<Mutex<Vec<SocketAddr>>>,
) -> Option<()> {
    let method = if password.is_some() { 2 } else { 0 };
    let mut hello = [0; 3];
    client.read_exact(&mut hello).await.ok()?;
    if hello != [5, 1, method] {
        client.write_all(&[5, 0xff]).await.ok()?;
        return None;
    }
    client.write_all(&[5, method]).await.ok()?;
    if let Some(password) = password {
        let mut version = [0; 1];
        client.read_exact(&mut version).await.ok()?;
        let mut parts = Vec::new();
        for _ in 0..2 {
            let length = client.read_u8().await.ok()?;
            let mut part = vec![0; usize::from(length)];
            client.read_exact(&mut part).await.ok()?;
            parts.push(part);
        }
        let right = parts == [b"me".to_vec(), password.as_bytes().to_vec()];
        client.write_all(&[1, u8::from(!right)]).await.ok()?;
    }
    let mut request = [0; 10];
    client.read_exact(&mut request).await.ok()?;
    assert_eq!(request[..4], [5, 1, 0, 1]);
    let ip = Ipv4Addr::new(request[4], request[5], request[6], request[7]);
    let target = SocketAddr::from((ip, u16::from_be_bytes([request[8], request[9]])));
    asked.lock().unwrap().push(target);
    // The bound address as a name, the longest form.
    let mut answer = vec![5, code, 0, 3, 4];
    answer.extend_from_slice(b"name\0\0");
    client.write_all(&answer).await.ok()?;
    if code == 0 {
        let mut server = TcpStream::connect(target).await.ok()?;
        copy_bidirectional(&mut client, &mut server).await.ok()?;
    }
    None
}

fn through(proxy: &str) -> GuestConnections {
    let dialer: Dialer = proxy.parse().unwrap();
    GuestConnections::with_login(dialer, Limits::default(), login())
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn a_guest_is_reached_through_a_proxy() {
    let sshd = Sshd::start();
    for (password, login) in [(None, ""), (Some("p@ss"), "me:p%40ss@")] {
        let (address, asked) = proxy(password, 0).await;
        let connections = through(&format!("socks5h://{login}{address}"));
        let guest = connections.guest(sshd.target());
        assert_eq!(run(&guest, "echo through").await.stdout, b"through\n");
        let target = SocketAddr::from((Ipv4Addr::LOCALHOST, sshd.port));
        assert_eq!(*asked.lock().unwrap(), [target]);
    }
}

#[cfg_attr(
    not(has_sshd),
    ignore = "needs OpenSSH's server (Debian: openssh-server)"
)]
#[tokio::test]
async fn a_proxys_answers_tell_its_own_faults_from_the_guests() {
    let sshd = Sshd::start();
    let probe = async |proxy: String| through(&proxy).guest(sshd.target()).probe().await;
    for (code, error) in [
        (5, GuestError::Refused),
        (4, GuestError::Unreachable),
        (6, GuestError::Unreachable),
    ] {
        let (address, _) = proxy(None, code).await;
        assert_eq!(
            probe(format!("socks5h://{address}")).await,
            Err(error),
            "{code}"
        );
    }
    let (forbids, _) = proxy(None, 2).await;
    let (asks, asked) = proxy(Some("right"), 0).await;
    let gone = free_port();
    for proxy in [
        format!("socks5h://{forbids}"),
        format!("socks5h://me:wrong-password@{asks}"),
        format!("socks5h://{asks}"),
        format!("socks5h://127.0.0.1:{gone}"),
    ] {
        let error = probe(proxy.clone()).await.unwrap_err();
        assert!(matches!(error, GuestError::Proxy(_)), "{proxy}: {error:?}");
        assert!(!error.to_string().contains("wrong-password"));
    }
    assert!(asked.lock().unwrap().is_empty());
}
