//! The database round trips of a paid call, counted in a proxy. They decide the call's latency
//! where the database is far away.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use pve_sim::ShellMode;
use reqwest::Method;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, tcp},
};

use crate::{buyer::Buyer, guest, replicas::database};

/// Requests to the database during a paid call. Two before its row exists (the lookup of the
/// payment and the locks, concurrently), then its row, `settling`, `settled`, the list that it buys
/// (three reads, concurrently), and its answer; the locks are released after that. The demo's
/// ledger adds two, for the balance and the transfer.
const QUESTIONS: u64 = 10 + 2;

/// Counts requests: bytes from the client after bytes from the server. A pipeline counts as one.
#[derive(Default)]
struct Counter(AtomicU64);

/// The URL of a proxy to a database, which counts requests.
async fn counted(url: &str, counter: &Arc<Counter>) -> String {
    let url: url::Url = url.parse().unwrap();
    let (host, port) = (url.host_str().unwrap().to_owned(), url.port().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut proxied = url.clone();
    let own = listener.local_addr().unwrap().port();
    proxied.set_port(Some(own)).unwrap();
    let counter = Arc::clone(counter);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect((host.as_str(), port)).await.unwrap();
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            let is_asking = Arc::new(AtomicBool::new(false));
            let (counter, asks) = (Arc::clone(&counter), Arc::clone(&is_asking));
            tokio::spawn(pass(from_client, to_server, move || {
                if !asks.swap(true, Ordering::SeqCst) {
                    counter.0.fetch_add(1, Ordering::SeqCst);
                }
            }));
            let answers = move || is_asking.store(false, Ordering::SeqCst);
            tokio::spawn(pass(from_server, to_client, answers));
        }
    });
    proxied.to_string()
}

async fn pass(
    mut from: tcp::OwnedReadHalf,
    mut to: tcp::OwnedWriteHalf,
    each: impl Fn() + Send + 'static,
) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        each();
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn a_paid_call_asks_the_database_a_few_times() {
    let url = database().await;
    let counter = Arc::new(Counter::default());
    let url = counted(&url, &counter).await;
    let shell = ShellMode::HostForTests("/bin/sh".into());
    let app = guest::app(shell, &[("DATABASE", url.as_str())]).await;
    let buyer = Buyer::funded(&app, 1).await;
    let list = async || {
        let signed = buyer
            .sign(&app, Method::GET, "/management/list", None)
            .await;
        let before = counter.0.load(Ordering::SeqCst);
        let answer = signed.send(&app).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        counter.0.load(Ordering::SeqCst) - before
    };
    // The first use makes connections and prepares statements.
    for _ in 0..24 {
        list().await;
    }
    let mut counts = Vec::new();
    for _ in 0..15 {
        counts.push(list().await);
    }
    // The least, because the service's own periodic reads are counted too, and on a busy machine a
    // request that reaches the proxy in several reads is counted for each of them.
    let least = counts.iter().min();
    assert!(least.is_some_and(|least| *least <= QUESTIONS), "{counts:?}");
}
