//! A client that has logged in, and asks for more than it may have.

#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jump_host::{JumpHost, JumpHostKey, JumpPolicy, JumpRefusal, Machine, serve};
use russh::client::{self, Handle, Handler};
use russh::keys::ssh_key::private::{Ed25519Keypair, KeypairData};
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{ChannelMsg, ChannelOpenFailure, Error};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(20);

/// Every key leads to one machine, which sends back what it gets, and to one that sends without end
/// until it is over.
#[derive(Default)]
struct Echo {
    flood: Arc<Flood>,
}

/// What becomes of the machine that sends without end.
#[derive(Default)]
struct Flood {
    over: Notify,
    stalled: Notify,
    ended: Notify,
}

impl Flood {
    async fn send(self: Arc<Self>, mut to: DuplexStream) {
        loop {
            let written = to.write(&[0; 1024]);
            match timeout(Duration::from_millis(200), written).await {
                Ok(Ok(_)) => {}
                Ok(Err(_)) => return self.ended.notify_one(),
                Err(_) => self.stalled.notify_one(),
            }
        }
    }
}

#[async_trait]
impl JumpPolicy for Echo {
    fn admit(&self, _peer: IpAddr) -> Option<Box<dyn Send>> {
        Some(Box::new(()))
    }

    async fn knows(&self, _fingerprint: &str) -> bool {
        true
    }

    async fn open(
        &self,
        _fingerprint: &str,
        host: &str,
        _port: u16,
    ) -> Result<Machine, JumpRefusal> {
        let (ours, machine) = duplex(1024);
        if host == "flood" {
            let flood = self.flood.clone();
            tokio::spawn(flood.clone().send(machine));
            return Ok(Machine {
                stream: Box::new(ours),
                over: Box::pin(async move { flood.over.notified().await }),
            });
        }
        if host != "machine" {
            return Err(JumpRefusal::Prohibited);
        }
        tokio::spawn(async move {
            let (mut read, mut write) = tokio::io::split(machine);
            tokio::io::copy(&mut read, &mut write).await
        });
        Ok(Machine {
            stream: Box::new(ours),
            over: Box::pin(std::future::pending()),
        })
    }
}

struct Client;

impl Handler for Client {
    type Error = Error;

    async fn check_server_key(&mut self, _key: &PublicKeyOrCertificate) -> Result<bool, Error> {
        Ok(true)
    }
}

async fn start() -> SocketAddr {
    start_with(Echo::default(), Duration::from_secs(600)).await
}

async fn start_with(policy: Echo, longest_unused: Duration) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let host = JumpHost {
        key: JumpHostKey::derive(b"installation"),
        policy: Arc::new(policy),
        help: "no shell\n".into(),
        longest_unused,
    };
    tokio::spawn(serve(listener, host, std::future::pending()));
    address
}

async fn log_in(address: SocketAddr) -> Handle<Client> {
    let connected = client::connect(Arc::default(), address, Client).await;
    let mut client = connected.unwrap();
    let pair = KeypairData::Ed25519(Ed25519Keypair::from_seed(&[7; 32]));
    let key = Arc::new(PrivateKey::new(pair, "").unwrap());
    let key = PrivateKeyWithHashAlg::new(key, None);
    let login = client.authenticate_publickey("x".repeat(10_000), key).await;
    assert!(login.unwrap().success());
    client
}

fn is_refused<T>(opened: Result<T, Error>) -> bool {
    matches!(
        opened,
        Err(Error::ChannelOpenFailure(
            ChannelOpenFailure::ResourceShortage
        ))
    )
}

#[tokio::test]
async fn a_client_opens_so_many_channels_and_no_more() {
    let client = log_in(start().await).await;
    let direct = async || client.channel_open_direct_tcpip("machine", 22, "", 0).await;
    let mut open = Vec::new();
    for _ in 0..8 {
        open.push(direct().await.unwrap().into_stream());
    }
    assert!(is_refused(direct().await));
    let last = open.last_mut().unwrap();
    last.write_all(b"hello").await.unwrap();
    let mut back = [0; 5];
    timeout(DEADLINE, last.read_exact(&mut back))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&back, b"hello");
    drop(open);
    let again = timeout(DEADLINE, async {
        while direct().await.is_err() {
            tokio::task::yield_now().await;
        }
    });
    again.await.unwrap();
}

#[tokio::test]
async fn a_client_hears_the_help_a_few_times_and_no_more() {
    let client = log_in(start().await).await;
    for _ in 0..8 {
        let mut channel = client.channel_open_session().await.unwrap();
        channel.exec(true, "id").await.unwrap();
        let mut told = 0;
        let mut status = None;
        let read = timeout(DEADLINE, async {
            while let Some(message) = channel.wait().await {
                match message {
                    ChannelMsg::ExtendedData { data, .. } => {
                        assert_eq!(&*data, b"no shell\r\n");
                        told += 1;
                    }
                    ChannelMsg::ExitStatus { exit_status } => status = Some(exit_status),
                    _ => {}
                }
            }
        });
        read.await.unwrap();
        assert_eq!((told, status), (1, Some(1)));
    }
    assert!(is_refused(client.channel_open_session().await));
    let machine = client.channel_open_direct_tcpip("machine", 22, "", 0);
    assert!(machine.await.is_ok(), "the way to machines stays open");
}

#[tokio::test]
async fn a_client_without_a_machine_is_let_go_and_one_with_a_machine_stays() {
    let unused = Duration::from_millis(300);
    let address = start_with(Echo::default(), unused).await;
    let (idle, busy) = (log_in(address).await, log_in(address).await);
    let machine = busy.channel_open_direct_tcpip("machine", 22, "", 0);
    let mut machine = machine.await.unwrap().into_stream();
    // What is refused is no machine.
    let ended = timeout(DEADLINE, async {
        while !idle.is_closed() {
            let _ = idle.channel_open_direct_tcpip("other", 22, "", 0).await;
            tokio::time::sleep(unused / 20).await;
        }
    });
    ended.await.unwrap();
    machine.write_all(b"hello").await.unwrap();
    let mut back = [0; 5];
    let read = timeout(DEADLINE, machine.read_exact(&mut back));
    read.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_connection_that_is_over_ends_for_a_client_that_reads_nothing() {
    let policy = Echo::default();
    let flood = policy.flood.clone();
    let address = start_with(policy, Duration::from_secs(600)).await;
    let client = log_in(address).await;
    let unread = client.channel_open_direct_tcpip("flood", 22, "", 0).await;
    let unread = unread.unwrap();
    for signal in [&flood.stalled, &flood.ended] {
        timeout(DEADLINE, signal.notified()).await.unwrap();
        flood.over.notify_one();
    }
    drop(unread);
}
