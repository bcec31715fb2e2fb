//! Containers that answer before they have read the request.

use std::time::Duration;

use reqwest::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::site::{Site, host};

const ANSWER: &str = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 9\r\n\r\ntoo large";

/// What a server does with the request after its answer.
#[derive(Clone, Copy, Debug)]
enum Rest {
    /// Reads it for a while, as servers do that mean their answer to arrive.
    Lingers,
    /// Says that it writes no more, and reads no more.
    HalfCloses,
    /// Keeps the connection, and reads nothing.
    Ignores,
}

/// A server that answers once it has the head of a request.
async fn refuser(rest: Rest) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(refuse(stream, rest));
        }
    });
    port
}

async fn refuse(mut stream: TcpStream, rest: Rest) {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
            return;
        }
    }
    stream.write_all(ANSWER.as_bytes()).await.unwrap();
    let mut buffer = vec![0; 65_536];
    match rest {
        Rest::Lingers => {
            let _ = stream.shutdown().await;
            let reading = async { while stream.read(&mut buffer).await.unwrap_or(0) > 0 {} };
            let _ = timeout(Duration::from_secs(2), reading).await;
        }
        Rest::HalfCloses => {
            let _ = stream.shutdown().await;
            std::future::pending().await
        }
        Rest::Ignores => std::future::pending().await,
    }
}

#[tokio::test]
async fn an_answer_in_the_middle_of_an_upload_is_passed_on() {
    let site = Site::start().await;
    for rest in [Rest::Lingers, Rest::HalfCloses, Rest::Ignores] {
        let port = site.publish(refuser(rest).await, "public").await;
        let url = port["url"].as_str().unwrap();
        // More than all that waits on the way.
        let piece = || Ok::<_, std::io::Error>(vec![7_u8; 65_536]);
        let body = futures_util::stream::iter((0..1_000).map(move |_| piece()));
        let sent = site
            .visit(Method::PUT, url, "/up")
            .body(reqwest::Body::wrap_stream(body));
        let answer = timeout(Duration::from_secs(30), sent.send()).await;
        let answer = answer.expect("it is answered").unwrap();
        assert_eq!(answer.status(), 413, "{rest:?}");
        assert_eq!(answer.text().await.unwrap(), "too large", "{rest:?}");
        // As many as may be under way at a time: none of those before keeps its place.
        for _ in 0..20 {
            let host = host(url);
            let head =
                format!("PUT /up HTTP/1.1\r\nHost: {host}\r\nContent-Length: 9000000\r\n\r\n");
            let mut visitor = TcpStream::connect(site.app().ingress).await.unwrap();
            visitor.write_all(head.as_bytes()).await.unwrap();
            visitor.write_all(&[7; 300_000]).await.unwrap();
            let mut answer = [0; 12];
            let read = timeout(Duration::from_secs(30), visitor.read_exact(&mut answer));
            read.await.expect("it is answered").unwrap();
            assert_eq!(&answer, b"HTTP/1.1 413", "{rest:?}");
        }
        let next = site.visit(Method::GET, url, "/").send();
        let next = timeout(Duration::from_secs(30), next).await;
        assert_eq!(next.unwrap().unwrap().status(), 413, "{rest:?}");
    }
}
