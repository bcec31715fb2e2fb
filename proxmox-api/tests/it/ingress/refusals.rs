//! Requests that get no answer of a container, and what they get.

use reqwest::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::site::{Server, Site, host};
use crate::support::until;

#[tokio::test]
async fn a_request_that_two_servers_could_read_differently_is_refused() {
    let (site, server) = (Site::start().await, Server::start().await);
    let port = site.publish(server.port, "public").await;
    let host = host(port["url"].as_str().unwrap());
    let good = format!("GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n");
    assert!(site.raw(&good).await.starts_with("HTTP/1.1 200"));
    let absolute = format!("GET http://{host}/x HTTP/1.1\r\nHost: {host}\r\n\r\n");
    assert!(site.raw(&absolute).await.starts_with("HTTP/1.1 200"));
    for (request, status) in [
        (
            format!("GET / HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n\r\n"),
            "400",
        ),
        (
            format!("GET / HTTP/1.1\r\nHost: {host}\r\nHost: other.localhost\r\n\r\n"),
            "400",
        ),
        (
            format!("GET http://other.localhost/ HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            "400",
        ),
        ("GET / HTTP/1.1\r\n\r\n".into(), "400"),
        ("GET / HTTP/1.0\r\n\r\n".into(), "400"),
        (format!("TRACE / HTTP/1.1\r\nHost: {host}\r\n\r\n"), "405"),
        (
            format!("CONNECT {host}:80 HTTP/1.1\r\nHost: {host}:80\r\n\r\n"),
            "405",
        ),
        (
            format!(
                "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"
            ),
            "400",
        ),
        (
            format!(
                "GET / HTTP/1.1\r\nHost: {host}\r\nX: {}\r\n\r\n",
                "x".repeat(70_000)
            ),
            "431",
        ),
    ] {
        let answer = site.raw(&request).await;
        let line = answer.lines().next().unwrap_or_default();
        assert!(
            line.starts_with(&format!("HTTP/1.1 {status}"))
                || line.starts_with(&format!("HTTP/1.0 {status}")),
            "{request:.60}: {line}"
        );
    }
}

#[tokio::test]
async fn a_port_where_nothing_listens_says_so_to_people_and_programs() {
    let site = Site::start().await;
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let number = unused.local_addr().unwrap().port();
    drop(unused);
    let port = site.publish(number, "public").await;
    let url = port["url"].as_str().unwrap();
    assert_eq!(site.refused(url).await, (502, "nothing_listens".into()));
    let page = site
        .visit(Method::GET, url, "/")
        .header("Sec-Fetch-Mode", "navigate");
    let page = page.send().await.unwrap();
    assert_eq!(page.status(), 502);
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    let text = page.text().await.unwrap();
    assert!(text.contains(&format!("port {number}")), "{text}");
}

#[tokio::test]
async fn what_speaks_no_http_is_no_answer_and_no_switch_that_nobody_asked_for() {
    let site = Site::start().await;
    for reply in [
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let number = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 1024];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(reply.as_bytes()).await;
            let _ = stream.read(&mut head).await;
        });
        let port = site.publish(number, "public").await;
        let refused = site.refused(port["url"].as_str().unwrap()).await;
        assert_eq!(refused, (502, "no_http".into()), "{reply}");
    }
}

#[tokio::test]
async fn a_container_that_is_switched_off_says_how_to_start_it_and_then_answers_again() {
    let (site, server) = (Site::start().await, Server::start().await);
    let port = site.publish(server.port, "public").await;
    let url = port["url"].as_str().unwrap();
    let stopped = site.api(Method::POST, "stop", None).await;
    assert_eq!(stopped.status, 200, "{:?}", stopped.body);
    let answer = until("it is known to be off", async || {
        let answer = site.visit(Method::GET, url, "/").send().await.unwrap();
        let status = answer.status();
        let retry = answer.headers().contains_key("retry-after");
        let text = answer.text().await.unwrap();
        (status == 503 && retry && text.contains("stopped")).then_some(text)
    });
    assert!(answer.await.contains("/start"));
    let started = site.api(Method::POST, "start", None).await;
    assert_eq!(started.status, 200, "{:?}", started.body);
    until("it answers again", async || {
        let answer = site.visit(Method::GET, url, "/x").send().await.unwrap();
        (answer.status() == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_proxy_is_told_of_exactly_the_names_that_are_published() {
    let (site, server) = (Site::start().await, Server::start().await);
    let port = site.publish(server.port, "owner").await;
    let live = host(port["url"].as_str().unwrap());
    let ask = async |domain: &str| {
        let url = format!("http://{}/ask?domain={domain}", site.app().ingress);
        site.client.get(url).send().await.unwrap().status().as_u16()
    };
    assert_eq!(ask(&live).await, 200);
    assert_eq!(ask(&live.to_uppercase()).await, 200);
    let name = live.split_once('-').unwrap().1;
    for unknown in [
        String::new(),
        "localhost".into(),
        "www.localhost".into(),
        "example.org".into(),
        format!("1-{name}"),
        format!("x.{live}"),
        "80-0123456789ab.localhost".into(),
    ] {
        assert_eq!(ask(&unknown).await, 404, "{unknown}");
    }
    // A container's own path of this name is its own.
    let own = site.visit(Method::GET, port["url"].as_str().unwrap(), "/ask");
    assert_eq!(own.send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn without_a_domain_nothing_is_published() {
    let app = crate::support::TestApp::start().await;
    let buyer = crate::buyer::Buyer::funded(&app, 1).await;
    let ctid = crate::guest::lease(&app, &buyer, "box").await;
    let session = buyer.sign_in(&app).await;
    let path = format!("/lease/{ctid}/ports/80");
    let refused = session.call(&app, Method::PUT, &path).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (404, "not_found")
    );
}
