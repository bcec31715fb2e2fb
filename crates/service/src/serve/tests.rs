//! Tests of binding and stopping over real loopback sockets.

use std::net::Ipv4Addr;

use axum::extract::State;
use axum::routing::{get, post};
use futures_util::StreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;

const DEADLINE: Duration = Duration::from_secs(5);
const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A server whose only route reports a request and responds when the test permits it.
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
    let server = tokio::spawn(serve(
        listener,
        app,
        shutdown,
        grace,
        ServerLimits::default(),
    ));
    Held {
        address,
        entered,
        release,
        trigger,
        server,
    }
}

impl Held {
    /// Sends a request and waits until the handler has received it.
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
async fn a_request_that_never_ends_is_aborted_at_the_deadline() {
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
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let requested = std::pin::pin!(shutdown.requested());
    assert!(requested.poll(&mut context).is_pending());

    let (trigger, shutdown) = Shutdown::manual();
    trigger.request();
    timeout(DEADLINE, shutdown.requested()).await.unwrap();
    assert!(shutdown.is_requested());
}

/// Serves a router with these limits until the test ends.
async fn within(limits: ServerLimits, app: Router) -> (SocketAddr, ShutdownTrigger) {
    let listener = bind(LOOPBACK, "PORT").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (trigger, shutdown) = Shutdown::manual();
    tokio::spawn(serve(listener, app, shutdown, DEADLINE, limits));
    (address, trigger)
}

#[tokio::test]
async fn a_body_that_arrives_slowly_ends_at_its_timeout() {
    let time = Duration::from_millis(800);
    let app = Router::new().route("/", post(async |body: String| body));
    let limits = ServerLimits {
        body: time,
        ..ServerLimits::default()
    };
    let (address, _trigger) = within(limits, app).await;
    let head = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n";

    let mut whole = TcpStream::connect(address).await.unwrap();
    whole.write_all(head).await.unwrap();
    for _ in 0..4 {
        tokio::time::sleep(time / 16).await; // The subject is a slow body.
        whole.write_all(&[b'a'; 250]).await.unwrap();
    }
    let mut answer = vec![0; "HTTP/1.1 200".len()];
    let read = timeout(DEADLINE, whole.read_exact(&mut answer)).await;
    read.expect("it is answered").unwrap();
    assert_eq!(answer, b"HTTP/1.1 200");

    for pause in [Some(time / 16), None] {
        let (mut read, mut write) = {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(head).await.unwrap();
            stream.into_split()
        };
        let trickling = tokio::spawn(async move {
            while let Some(pause) = pause {
                tokio::time::sleep(pause).await; // The subject is a slow body.
                if write.write_all(b"a").await.is_err() {
                    return;
                }
            }
            std::future::pending().await
        });
        // The connection ends, although no shutdown was requested.
        let mut answer = Vec::new();
        let ended = timeout(DEADLINE, read.read_to_end(&mut answer)).await;
        let _ = ended.expect("the connection ends");
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400"), "{pause:?}: {answer}");
        trickling.abort();
    }
}

#[tokio::test]
async fn a_client_that_sends_far_too_much_reads_why_it_is_refused() {
    const LENGTH: usize = 10 << 20;
    let app = Router::new().route("/", post(async |_: axum::body::Bytes| "read"));
    let (address, _trigger) = within(ServerLimits::default(), app).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: {LENGTH}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    for part in vec![b' '; LENGTH].chunks(64 << 10) {
        stream.write_all(part).await.unwrap();
        // The server has every chance to close in the meantime.
        tokio::task::yield_now().await;
    }
    let mut answer = String::new();
    let read = timeout(DEADLINE, stream.read_to_string(&mut answer)).await;
    read.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
}

#[tokio::test]
async fn a_connection_beyond_the_limits_is_closed_and_the_others_are_served() {
    let app = Router::new().route("/", get(async || "done"));
    let limits = ServerLimits {
        connections: 2,
        ..ServerLimits::default()
    };
    let (address, _trigger) = within(limits, app).await;
    let request = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let served = async |stream: &mut TcpStream| {
        let mut answer = [0; 12];
        let exchange = async {
            stream.write_all(request).await?;
            stream.read_exact(&mut answer).await
        };
        let read = timeout(DEADLINE, exchange).await;
        read.expect("it is answered or closed").is_ok()
    };
    let mut one = TcpStream::connect(address).await.unwrap();
    let mut two = TcpStream::connect(address).await.unwrap();
    assert!(served(&mut one).await && served(&mut two).await);
    let mut three = TcpStream::connect(address).await.unwrap();
    assert!(!served(&mut three).await, "it is one too many");
    drop(one);
    let deadline = tokio::time::Instant::now() + DEADLINE;
    loop {
        let mut again = TcpStream::connect(address).await.unwrap();
        if served(&mut again).await {
            break;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "the place of a connection that has ended is free"
        );
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_connection_of_a_client_that_reads_nothing_is_ended() {
    let gone: &'static Semaphore = Box::leak(Box::new(Semaphore::new(0)));
    struct Told(&'static Semaphore);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.add_permits(1);
        }
    }
    let endless = async move || {
        let told = Told(gone);
        let piece = move |_| {
            let _ = &told;
            Ok::<_, io::Error>(vec![b'x'; 64 * 1024])
        };
        let pieces = futures_util::stream::iter(0_u64..).map(piece);
        axum::body::Body::from_stream(pieces)
    };
    let limits = ServerLimits {
        unread: Duration::from_millis(500),
        ..ServerLimits::default()
    };
    let (address, _trigger) = within(limits, Router::new().route("/", get(endless))).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let ended = timeout(4 * DEADLINE, gone.acquire()).await;
    ended.expect("the connection is given up").unwrap().forget();
}

#[tokio::test]
async fn an_incomplete_head_ends_at_its_timeout() {
    let app = Router::new().route("/", get(async || "done"));
    let patience = Duration::from_millis(300);
    let limits = ServerLimits {
        head: patience,
        ..ServerLimits::default()
    };
    let (address, _trigger) = within(limits, app).await;
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
            tokio::time::sleep(patience / 10).await; // The subject is a slow head.
            if drop_by_drop.write_all(&[*byte]).await.is_err() {
                return;
            }
        }
    });
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(head).await.unwrap();
    tokio::time::sleep(patience / 3).await; // The subject is a slow head.
    slow.write_all(end).await.unwrap();

    assert!(ended(&mut slow).await.ends_with("done"));
    assert_eq!(ended(&mut nothing).await, "");
    assert_eq!(ended(&mut half).await, "");
    let dripped = timeout(DEADLINE, dripping).await;
    dripped.expect("it is cut off as well").unwrap();
}

#[tokio::test]
async fn a_handler_gets_the_clients_address() {
    let listener = bind(LOOPBACK, "PORT").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (_trigger, shutdown) = Shutdown::manual();
    let who = async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.to_string();
    let app = Router::new().route("/", get(who));
    tokio::spawn(serve(
        listener,
        app,
        shutdown,
        DEADLINE,
        ServerLimits::default(),
    ));
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
