//! Binding and stopping, over real loopback sockets.

use std::net::Ipv4Addr;

use axum::extract::State;
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;

const DEADLINE: Duration = Duration::from_secs(5);
const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A server whose only route says when it was entered and answers once it is let go.
struct Held {
    address: SocketAddr,
    entered: &'static Semaphore,
    release: &'static Semaphore,
    trigger: ShutdownTrigger,
    server: JoinHandle<io::Result<Ending>>,
}

type Gates = (&'static Semaphore, &'static Semaphore);

async fn hold(State((entered, release)): State<Gates>) -> &'static str {
    entered.add_permits(1);
    release.acquire().await.unwrap().forget();
    "done"
}

async fn start(grace: Duration) -> Held {
    let listener = bind(LOOPBACK, "PORT").await.unwrap();
    let address = listener.local_addr().unwrap();
    let entered: &'static Semaphore = Box::leak(Box::new(Semaphore::new(0)));
    let release: &'static Semaphore = Box::leak(Box::new(Semaphore::new(0)));
    let app = Router::new()
        .route("/", get(hold))
        .with_state((entered, release));
    let (trigger, shutdown) = Shutdown::manual();
    let server = tokio::spawn(serve(listener, app, shutdown, grace));
    Held {
        address,
        entered,
        release,
        trigger,
        server,
    }
}

impl Held {
    /// Sends a request and waits until the handler has it.
    async fn request(&self) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let entered = timeout(DEADLINE, self.entered.acquire()).await.unwrap();
        entered.unwrap().forget();
        stream
    }

    async fn ending(self) -> Ending {
        let outcome = timeout(DEADLINE, self.server).await;
        outcome.unwrap().unwrap().unwrap()
    }
}

#[tokio::test]
async fn a_taken_port_names_the_variable_to_change() {
    let first = bind(LOOPBACK, "PORT").await.unwrap();
    let address = first.local_addr().unwrap();
    let error = bind(address, "API_PORT").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{address} is already in use; stop what listens there, or set API_PORT to a free port"
        )
    );
}

#[tokio::test]
async fn an_open_request_is_answered_before_the_service_ends() {
    let held = start(DEADLINE).await;
    let mut stream = held.request().await;
    held.trigger.request();
    held.release.add_permits(1);

    let mut answer = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.ends_with("done"), "{answer}");
    assert_eq!(held.ending().await, Ending::Drained);
}

#[tokio::test]
async fn a_request_that_never_ends_is_cut_at_the_deadline() {
    let held = start(Duration::from_millis(20)).await;
    let _stream = held.request().await;
    held.trigger.request();
    assert_eq!(held.ending().await, Ending::Cut);
}

#[tokio::test]
async fn a_second_request_to_stop_does_not_wait_for_the_deadline() {
    let held = start(Duration::from_secs(3600)).await;
    let _stream = held.request().await;
    held.trigger.request();
    held.trigger.request();
    assert_eq!(held.ending().await, Ending::Cut);
}

#[tokio::test]
async fn a_shutdown_whose_trigger_is_gone_is_never_requested() {
    let (trigger, shutdown) = Shutdown::manual();
    assert!(!shutdown.is_requested());
    drop(trigger);
    let waited = timeout(Duration::from_millis(20), shutdown.requested()).await;
    assert!(waited.is_err());

    let (trigger, shutdown) = Shutdown::manual();
    trigger.request();
    timeout(DEADLINE, shutdown.requested()).await.unwrap();
    assert!(shutdown.is_requested());
}

#[tokio::test]
async fn half_a_body_is_not_waited_for_and_a_whole_one_in_pieces_is_read() {
    let pause = Duration::from_millis(200);
    let app = Router::new().route("/", post(async |body: String| body));
    let listener = bind(LOOPBACK, "PORT").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (trigger, shutdown) = Shutdown::manual();
    let server = tokio::spawn(serve(listener, impatient(app, pause), shutdown, DEADLINE));
    let head =
        b"POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 4\r\n\r\n";
    for (pieces, status) in [
        (&[&b"a"[..], b"b", b"cd"][..], "200"),
        (&[&b"ab"[..]][..], "400"),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(head).await.unwrap();
        for piece in pieces {
            tokio::time::sleep(pause / 4).await;
            stream.write_all(piece).await.unwrap();
        }
        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer);
        timeout(DEADLINE, read)
            .await
            .expect("it is answered")
            .unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{answer}"
        );
    }
    trigger.request();
    let ending = timeout(DEADLINE, server).await.unwrap().unwrap().unwrap();
    assert_eq!(ending, Ending::Drained);
}

#[tokio::test]
async fn half_a_head_is_not_waited_for() {
    let app = Router::new().route("/", get(async || "done"));
    let listener = bind(LOOPBACK, "PORT").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (_trigger, shutdown) = Shutdown::manual();
    let patience = Duration::from_millis(300);
    tokio::spawn(serve_impatiently(
        listener, app, shutdown, DEADLINE, patience,
    ));
    let (head, end) = (b"GET / HTTP/1.1\r\nhost: local", b"host\r\n\r\n");
    let ended = async |stream: &mut TcpStream| {
        let mut answer = Vec::new();
        let read = timeout(DEADLINE, stream.read_to_end(&mut answer)).await;
        read.expect("the connection ends").unwrap();
        String::from_utf8(answer).unwrap()
    };

    let mut nothing = TcpStream::connect(address).await.unwrap();
    let mut half = TcpStream::connect(address).await.unwrap();
    half.write_all(head).await.unwrap();
    let mut drop_by_drop = TcpStream::connect(address).await.unwrap();
    let dripping = tokio::spawn(async move {
        for byte in head.iter().cycle() {
            tokio::time::sleep(patience / 10).await;
            if drop_by_drop.write_all(&[*byte]).await.is_err() {
                return;
            }
        }
    });
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(head).await.unwrap();
    tokio::time::sleep(patience / 3).await;
    slow.write_all(end).await.unwrap();

    assert!(ended(&mut slow).await.ends_with("done"));
    assert_eq!(ended(&mut nothing).await, "");
    assert_eq!(ended(&mut half).await, "");
    let dripped = timeout(DEADLINE, dripping).await;
    dripped.expect("it is cut off as well").unwrap();
}

#[tokio::test]
async fn a_handler_knows_who_asks() {
    let listener = bind(LOOPBACK, "PORT").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (_trigger, shutdown) = Shutdown::manual();
    let who = async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.to_string();
    let app = Router::new().route("/", get(who));
    tokio::spawn(serve(listener, app, shutdown, DEADLINE));
    let mut stream = TcpStream::connect(address).await.unwrap();
    let here = stream.local_addr().unwrap().to_string();
    let request = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert!(answer.ends_with(&here), "{answer}");
}
