//! A guest whose SSH server does what it likes. Root in a guest can replace it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use guest::{CommandRequest, GuestError, GuestKey, GuestTarget, HostKeys};
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::{PrivateKey, PublicKey};
use russh::server::{self, Auth, ChannelOpenHandle, Msg, Server as _, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId};
use tokio::io::AsyncWriteExt as _;

use crate::sshd::connections;

/// What the server does when it is asked for a command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trick {
    /// Opens channels to the client.
    OpenChannels,
    /// Writes output without an end, and no header.
    Flood,
    /// Says nothing.
    Silence,
    /// Grants everything, and ends the channel without a status.
    NoStatus,
}

#[derive(Clone)]
struct Hostile {
    trick: Trick,
    logins: Arc<AtomicUsize>,
    refused: Arc<AtomicUsize>,
    channel: Arc<Mutex<Option<Channel<Msg>>>>,
}

fn host_key() -> &'static PrivateKey {
    static KEY: OnceLock<PrivateKey> = OnceLock::new();
    // Known to all, as a test's key may be.
    KEY.get_or_init(|| PrivateKey::from(Ed25519Keypair::from_seed(&[7; 32])))
}

async fn start(trick: Trick) -> (GuestTarget, Hostile) {
    let mut hostile = Hostile {
        trick,
        logins: Arc::default(),
        refused: Arc::default(),
        channel: Arc::default(),
    };
    let config = Arc::new(server::Config {
        keys: vec![host_key().clone()],
        auth_rejection_time: Duration::ZERO,
        ..server::Config::default()
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let handed = hostile.clone();
    tokio::spawn(async move {
        let running = hostile.run_on_socket(config, &listener);
        let _ = running.await;
    });
    (target(port, host_key().public_key()), handed)
}

fn target(port: u16, key: &PublicKey) -> GuestTarget {
    GuestTarget {
        lease_id: format!("hostile-{port}"),
        address: "127.0.0.1".parse().unwrap(),
        port,
        key: GuestKey::derive(b"installation", "hostile"),
        host_keys: HostKeys::from_public_keys(&key.to_openssh().unwrap()),
    }
}

impl server::Server for Hostile {
    type Handler = Self;

    fn new_client(&mut self, _: Option<std::net::SocketAddr>) -> Self {
        let channel = Arc::default();
        Self {
            channel,
            ..self.clone()
        }
    }
}

impl server::Handler for Hostile {
    type Error = russh::Error;

    async fn auth_publickey(
        &mut self,
        _: &str,
        _: VerifiedPublicKey<'_>,
    ) -> Result<Auth, russh::Error> {
        self.logins.fetch_add(1, Ordering::SeqCst);
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        *self.channel.lock().unwrap() = Some(channel);
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        _: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let handle = session.handle();
        match self.trick {
            Trick::OpenChannels => {
                let refused = self.refused.clone();
                tokio::spawn(async move {
                    for _ in 0..2000 {
                        let opened = handle.channel_open_forwarded_tcpip("a", 1, "b", 2).await;
                        if opened.is_err() {
                            refused.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                    let _ = handle.close(channel).await;
                });
            }
            Trick::Flood => {
                let open = self.channel.lock().unwrap().take().unwrap();
                tokio::spawn(async move {
                    let block = bytes::Bytes::from(vec![b'x'; 32 * 1024]);
                    for _ in 0..4096 {
                        if open.data_bytes(block.clone()).await.is_err() {
                            return;
                        }
                    }
                    let _ = handle.exit_status_request(channel, 0).await;
                    let _ = handle.close(channel).await;
                });
            }
            Trick::Silence => {}
            Trick::NoStatus => session.close(channel)?,
        }
        Ok(())
    }
}

/// The memory of this process, in KiB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

async fn run(target: &GuestTarget, timeout: Duration) -> Result<i32, GuestError> {
    let guest = connections().guest(target.clone());
    let mut request = CommandRequest::new("true");
    request.timeout = timeout;
    let command = guest.open_command(false).await?;
    Ok(command.run(request, None).await?.exit_code)
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channels_that_the_server_opens_are_refused() {
    let (target, hostile) = start(Trick::OpenChannels).await;
    let result = run(&target, LONG).await;
    assert_eq!(result, Err(GuestError::Lost { may_have_run: true }));
    assert_eq!(hostile.refused.load(Ordering::SeqCst), 2000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_takes_no_memory_and_is_no_command() {
    let (target, _) = start(Trick::Flood).await;
    let before = memory();
    let result = run(&target, LONG).await;
    assert_eq!(result, Err(GuestError::NotStarted));
    // 128 MiB were sent. Both ends and the other tests are in this process.
    let grown = memory().saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} KiB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_says_nothing_runs_into_the_time_limit() {
    let (target, _) = start(Trick::Silence).await;
    let started = std::time::Instant::now();
    let result = run(&target, Duration::from_millis(300)).await;
    assert_eq!(result, Ok(137));
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_without_a_status_may_have_run() {
    let (target, _) = start(Trick::NoStatus).await;
    let error = run(&target, LONG).await.unwrap_err();
    assert!(error.may_have_run(), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_another_key_gets_no_login() {
    let (mut target, hostile) = start(Trick::Silence).await;
    let other = PrivateKey::from(Ed25519Keypair::from_seed(&[8; 32]));
    target.host_keys = HostKeys::from_public_keys(&other.public_key().to_openssh().unwrap());
    assert_eq!(run(&target, LONG).await, Err(GuestError::HostKeyMismatch));
    assert_eq!(hostile.logins.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_greeting_without_an_end_is_no_ssh() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.write_all(b"SSH-").await;
                while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
            });
        }
    });
    let error = run(&target(port, host_key().public_key()), LONG).await;
    assert_eq!(error, Err(GuestError::NotSsh));
}
