//! The cost of the way to published ports: what it adds to a request, how fast large bodies pass,
//! and the memory of connections that stay open.
//!
//! The servers of the containers are in this process, and so are the visitors. The containers' SSH
//! servers are the simulator's processes, so the service's processor time and memory are its own.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{WebSocketUpgrade, ws::Message},
    http::{Request, header},
    response::{IntoResponse as _, Response},
    routing::{any, get},
};
use futures_util::{SinkExt as _, StreamExt as _, stream};
use guest::{Dialer, Guest, GuestConnections, GuestKey, GuestTarget, HostKeys, Limits};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite};

use crate::{
    BenchSize, FAST,
    customer::Customer,
    figures::{durations, figure, skip},
    stage::{BenchTestbed, simulator_program},
};

const ADDED: &str = "added to a request by the ingress, median";
const ADDED_TO_SSH: &str = "added to a request by the ingress, beyond SSH, median";
const OUT_OF: &str = "large body out of a published port, by the service's processor time";
const INTO: &str = "large body into a published port, by the service's processor time";
const MEMORY: &str = "memory for each idle WebSocket to a published port";
/// Connections that the visitors of one network may have to a lease.
const PER_LEASE: usize = 16;
const MB: usize = 1_000_000;
const PIECE: usize = 64 * 1024;

pub async fn measure(extent: &BenchSize) {
    if !simulator_program().exists() {
        for name in [ADDED, ADDED_TO_SSH, OUT_OF, INTO, MEMORY] {
            skip(name, "pve-sim is not built beside the service");
        }
        return;
    }
    let stage = BenchTestbed::with_ingress(FAST).await;
    let customer = Customer::new(&stage).await;
    let token = customer.sign_in(&stage).await;
    let server = start_server().await;
    let lease = Published::new(&stage, &customer, &token, server.port()).await;
    requests(&stage, &lease, server, extent.requests, &token).await;
    transfers(&stage, &lease, server, extent.megabytes).await;
    drop(stage);
    // A fresh process, so that its memory grows by the need of the connections.
    let stage = BenchTestbed::with_ingress(FAST).await;
    websockets(&stage, server.port(), extent.websockets).await;
}

/// A leased container with a published port.
struct Published {
    ctid: u32,
    /// The `Host` of its visitors.
    host: String,
    ingress: SocketAddr,
}

impl Published {
    async fn new(stage: &BenchTestbed, customer: &Customer, token: &str, port: u16) -> Self {
        let ctid = customer.lease(stage).await;
        stage.await_ssh(ctid, token).await;
        let path = format!("{}/lease/{ctid}/ports/{port}", stage.url());
        let request = stage.http.put(path).bearer_auth(token);
        let request = request.json(&json!({"access": "public"}));
        let view: Value = request.send().await.unwrap().json().await.unwrap();
        let url = reqwest::Url::parse(view["url"].as_str().unwrap()).unwrap();
        Self {
            ctid,
            host: url.host_str().unwrap().to_owned(),
            ingress: stage.ingress.unwrap(),
        }
    }
}

/// A small request at the server itself, over SSH without the ingress, and through the ingress, in
/// turn, so that other work on the machine falls on all of them. Each has a connection of its own.
async fn requests(
    stage: &BenchTestbed,
    lease: &Published,
    server: SocketAddr,
    count: usize,
    token: &str,
) {
    let guest = ssh(stage, lease.ctid, token).await;
    let (mut direct, mut over_ssh, mut through) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..count {
        let start = Instant::now();
        let stream = connect(server).await;
        assert_eq!(exchange(stream, get_request(&lease.host, "/")).await, 2);
        direct.push(start.elapsed());
        let start = Instant::now();
        let stream = guest.dial(server.port()).await.unwrap();
        assert_eq!(exchange(stream, get_request(&lease.host, "/")).await, 2);
        over_ssh.push(start.elapsed());
        let start = Instant::now();
        let stream = connect(lease.ingress).await;
        assert_eq!(exchange(stream, get_request(&lease.host, "/")).await, 2);
        through.push(start.elapsed());
    }
    durations("request to a server here", &mut direct);
    durations("request over SSH alone", &mut over_ssh);
    durations("request through the ingress", &mut through);
    // They are sorted by now.
    let median = |spent: &[Duration]| spent[spent.len() / 2].as_secs_f64() * 1000.0;
    let added = |to: &[Duration]| (median(&through) - median(to)).max(0.0);
    figure(ADDED, added(&direct), "ms");
    figure(ADDED_TO_SSH, added(&over_ssh), "ms");
}

/// SSH into the container as a customer has it, by a key that is added to the lease.
async fn ssh(stage: &BenchTestbed, ctid: u32, token: &str) -> Guest {
    let key = GuestKey::derive(b"bench", "customer");
    let line = key.authorized_line(None).unwrap();
    let line = &line[line.find("ssh-ed25519").unwrap()..];
    let at = |rest: &str| format!("{}/lease/{ctid}/{rest}", stage.url());
    let body = json!({ "publicKey": line });
    let added = stage
        .http
        .put(at("ssh-keys"))
        .bearer_auth(token)
        .json(&body);
    let added = added.send().await.unwrap();
    assert!(added.status().is_success(), "{:?}", added.text().await);
    let dialer: Dialer = format!("socks5h://{}", stage.sim.guest_proxy())
        .parse()
        .unwrap();
    let target = GuestTarget {
        lease_id: "customer".into(),
        address: address(stage, ctid, token).await,
        port: 22,
        key,
        host_keys: host_keys(stage, ctid),
    };
    GuestConnections::new(dialer, Limits::default()).guest(target)
}

/// The container's host keys as the service pinned them.
fn host_keys(stage: &BenchTestbed, ctid: u32) -> HostKeys {
    let store = rusqlite::Connection::open(stage.database()).unwrap();
    let sql = "SELECT host_keys FROM leases WHERE vmid = ?1";
    let text: String = store.query_row(sql, [ctid], |row| row.get(0)).unwrap();
    HostKeys::parse(&text).unwrap()
}

async fn address(stage: &BenchTestbed, ctid: u32, token: &str) -> IpAddr {
    let leases = stage.http.get(format!("{}/leases", stage.url()));
    let leases = leases.bearer_auth(token).send().await.unwrap();
    let leases: Value = leases.json().await.unwrap();
    let mut all = leases["leases"].as_array().unwrap().iter();
    let lease = all.find(|lease| lease["ctid"] == ctid).unwrap();
    lease["ip"].as_str().unwrap().parse().unwrap()
}

/// Large bodies both ways, per second that a core works for the service.
async fn transfers(stage: &BenchTestbed, lease: &Published, server: SocketAddr, count: usize) {
    let bytes = count * MB;
    let download = || get_request(&lease.host, &format!("/bytes/{bytes}"));
    let upload = || {
        let piece = Bytes::from(vec![7; PIECE]);
        let whole = (0..bytes / PIECE).map(move |_| Ok::<_, io::Error>(piece.clone()));
        let request = Request::put("/up").header(header::HOST, &lease.host);
        request
            .body(Body::from_stream(stream::iter(whole)))
            .unwrap()
    };
    for (name, word, upload) in [(OUT_OF, "out of", None), (INTO, "into", Some(upload))] {
        let mut spent = [Duration::ZERO; 2];
        let before = stage.service.processor_times();
        for (index, to) in [server, lease.ingress].into_iter().enumerate() {
            let request = upload.as_ref().map_or_else(download, |make| make());
            let start = Instant::now();
            let received = exchange(connect(to).await, request).await;
            spent[index] = start.elapsed();
            match upload {
                None => assert_eq!(received, bytes),
                Some(_) => assert!(received > 0),
            }
        }
        let worked = stage.service.processor_times().since(&before);
        let worked = worked.as_secs_f64();
        let rate = |seconds: f64| bytes as f64 / MB as f64 / seconds;
        figure(name, rate(worked), "MB/s/core");
        let label = format!("the same {word} a published port, by the clock");
        figure(&label, rate(spent[1].as_secs_f64()), "MB/s");
        let label = format!("the same {word} a server here, by the clock");
        figure(&label, rate(spent[0].as_secs_f64()), "MB/s");
    }
}

/// The service's memory with many WebSockets that say nothing, each of which has carried a message.
async fn websockets(stage: &BenchTestbed, port: u16, count: usize) {
    let mut leases = Vec::new();
    for _ in 0..count.div_ceil(PER_LEASE) {
        // The faucet pays a wallet for some of them only.
        let customer = Customer::new(stage).await;
        let token = customer.sign_in(stage).await;
        leases.push(Published::new(stage, &customer, &token, port).await);
    }
    // What the first of a lease makes is not part of the others' need.
    for lease in &leases {
        drop(WebSocket::open(lease).await);
    }
    let before = stage.service.memory();
    let mut open = Vec::new();
    for number in 0..count {
        open.push(WebSocket::open(&leases[number / PER_LEASE]).await);
    }
    let grown = stage.service.memory().saturating_sub(before);
    for socket in &mut open {
        socket.echo().await;
    }
    figure("idle WebSockets to published ports", count as f64, "open");
    figure(MEMORY, grown as f64 / 1e3 / count as f64, "KB");
}

struct WebSocket(WebSocketStream<TcpStream>);

impl WebSocket {
    async fn open(lease: &Published) -> Self {
        let uri = format!("ws://{}/ws", lease.host);
        let stream = connect(lease.ingress).await;
        let (socket, _) = client_async(uri, stream).await.unwrap();
        let mut this = Self(socket);
        this.echo().await;
        this
    }

    async fn echo(&mut self) {
        let message = tungstenite::Message::text("hello");
        self.0.send(message.clone()).await.unwrap();
        assert_eq!(self.0.next().await.unwrap().unwrap(), message);
    }
}

async fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn get_request(host: &str, path: &str) -> Request<Body> {
    let request = Request::get(path).header(header::HOST, host);
    request.body(Body::empty()).unwrap()
}

/// Sends a request and returns how many bytes its answer has, which has to be a success.
async fn exchange<S>(stream: S, request: Request<Body>) -> usize
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    let mut body = Body::new(answer.into_body()).into_data_stream();
    let mut length = 0;
    while let Some(piece) = body.next().await {
        length += piece.unwrap().len();
    }
    connection.abort();
    length
}

/// The containers' server, whose loopback is this machine's.
async fn start_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new()
        .route("/", get(|| async { "ok" }))
        .route("/bytes/{count}", get(send_bytes))
        .route("/up", any(count_bytes))
        .route("/ws", any(echo));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

async fn send_bytes(axum::extract::Path(count): axum::extract::Path<usize>) -> Response {
    let piece = Bytes::from(vec![7; PIECE]);
    let pieces = (0..count.div_ceil(PIECE)).map(move |index| {
        let left = count - index * PIECE;
        Ok::<_, io::Error>(piece.slice(..left.min(PIECE)))
    });
    let length = [(header::CONTENT_LENGTH, count)];
    (length, Body::from_stream(stream::iter(pieces))).into_response()
}

async fn count_bytes(body: Body) -> String {
    let mut body = body.into_data_stream();
    let mut length = 0;
    while let Some(piece) = body.next().await {
        length += piece.unwrap().len();
    }
    length.to_string()
}

async fn echo(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(|mut socket| async move {
        while let Some(Ok(message)) = socket.recv().await {
            if matches!(message, Message::Close(_)) || socket.send(message).await.is_err() {
                return;
            }
        }
    })
}
