//! What passes between visitors and containers.

use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::Method;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    client_async,
    tungstenite::{self, Message, client::IntoClientRequest as _},
};

use super::site::{Server, Site, host};

#[tokio::test]
async fn a_container_sees_the_visitors_address_and_no_claims_of_others() {
    let (site, server) = (Site::start().await, Server::start().await);
    let port = site.publish(server.port, "public").await;
    let url = port["url"].as_str().unwrap();
    let told = site
        .visit(Method::POST, url, "/echo?a=1")
        .header("X-Forwarded-For", "10.9.8.7")
        .header("X-Real-IP", "10.9.8.7")
        .header("Connection", "keep-alive, x-hop")
        .header("X-Hop", "1")
        .header("X-Infra402-Services-Secret", "guess")
        .body("body");
    let told: Value = told.send().await.unwrap().json().await.unwrap();
    assert_eq!(
        (&told["uri"], &told["method"]),
        (&"/echo?a=1".into(), &"POST".into())
    );
    let headers = told["headers"].as_array().unwrap();
    let of = |name: &str| -> Vec<&str> {
        let found = headers.iter().filter(|header| header[0] == name);
        found.map(|header| header[1].as_str().unwrap()).collect()
    };
    assert_eq!(of("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(of("x-forwarded-proto"), ["http"]);
    assert_eq!(of("host"), [format!("{}:4080", host(url))]);
    for name in ["x-real-ip", "x-hop", "x-infra402-services-secret"] {
        assert_eq!(of(name), [""; 0], "{name}");
    }
    let set = site
        .visit(Method::GET, url, "/cookies")
        .send()
        .await
        .unwrap();
    let cookies: Vec<_> = set.headers().get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["kept=1; Path=/"]);
}

#[tokio::test]
async fn bodies_stream_both_ways_and_events_come_as_they_are_sent() {
    let (site, server) = (Site::start().await, Server::start().await);
    let port = site.publish(server.port, "public").await;
    let url = port["url"].as_str().unwrap();
    let chunk = |number: u8| Ok::<_, std::io::Error>(vec![number; 65_536]);
    let chunks = futures_util::stream::iter((0..200).map(chunk));
    let sent = site
        .visit(Method::PUT, url, "/copy")
        .body(reqwest::Body::wrap_stream(chunks));
    let copied = sent.send().await.unwrap().bytes().await.unwrap();
    assert_eq!(copied.len(), 200 * 65_536);
    assert!(
        copied
            .chunks(65_536)
            .zip(0..)
            .all(|(chunk, number)| chunk[0] == number)
    );
    let sized = site.visit(Method::PUT, url, "/up").body(vec![7; 1_500_000]);
    let sized = sized.send().await.unwrap().text().await.unwrap();
    assert_eq!(sized, "/up 1500000");
    let mut events = site
        .visit(Method::GET, url, "/events")
        .send()
        .await
        .unwrap();
    assert_eq!(events.headers()["content-type"], "text/event-stream");
    for number in 1..4 {
        server.next_event.notify_one();
        let event = events.chunk().await.unwrap().unwrap();
        assert_eq!(event, format!("data: {number}\n\n"));
    }
}

#[tokio::test]
async fn a_websocket_needs_a_token_as_a_page_does_and_carries_messages_both_ways() {
    let (site, server) = (Site::start().await, Server::start().await);
    let port = site.publish(server.port, "link").await;
    let (url, link) = (
        port["url"].as_str().unwrap(),
        port["link"].as_str().unwrap(),
    );
    let token = link.split_once("infra402_access=").unwrap().1;
    let connect = async |path: &str, headers: &[(&'static str, String)]| {
        let stream = TcpStream::connect(site.app().ingress).await.unwrap();
        let uri = format!("ws://{}:4080{path}", host(url));
        let mut request = uri.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        client_async(request, stream).await
    };
    let cookie = ("cookie", format!("infra402-access={token}"));
    let page = |host: &str| ("origin", format!("http://{host}:4080"));
    let others_page = [cookie.clone(), page("80-0123456789ab.localhost")];
    for headers in [&[][..], &others_page] {
        match connect("/ws", headers).await {
            Err(tungstenite::Error::Http(refused)) => assert_eq!(refused.status(), 403),
            other => panic!("{:?}", other.map(drop)),
        }
    }
    let ways = [
        (format!("/ws?infra402_access={token}"), vec![]),
        ("/ws".into(), vec![cookie.clone()]),
        ("/ws".into(), vec![cookie, page(&host(url))]),
        ("/ws".into(), vec![("x-infra402-access", token.to_owned())]),
    ];
    for (path, headers) in ways {
        let (mut socket, _) = connect(&path, &headers).await.unwrap();
        for message in [Message::text("hello"), Message::binary(vec![9; 300_000])] {
            socket.send(message.clone()).await.unwrap();
            assert_eq!(socket.next().await.unwrap().unwrap(), message);
        }
        socket.close(None).await.unwrap();
    }
}
