//! Published ports on PostgreSQL, at two replicas: what one publishes the other serves, and closes.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, StatusCode, header::HOST};
use serde_json::Value;
use tokio::time::timeout;

use super::site::{Server, Site, host};
use crate::{replicas::database, support::TestApp};

/// A request to an address as it was given out, at the listener of a replica.
fn visit(replica: &TestApp, site: &Site, url: &str) -> RequestBuilder {
    let path = url.split_once(":4080").unwrap().1;
    let at = format!("http://{}{path}", replica.ingress);
    site.client.get(at).header(HOST, host(url))
}

#[tokio::test]
#[cfg_attr(not(has_postgresql), ignore = "needs PostgreSQL (Debian: postgresql)")]
async fn replicas_serve_the_same_names_and_a_ticket_opens_a_port_once_at_either() {
    let database = database().await;
    let site = Site::with(&[("DATABASE", &database)]).await;
    let other = site.app().beside_with(&[]).await;
    let server = Server::start().await;
    let port = site.publish(server.port, "owner").await;
    let url = port["url"].as_str().unwrap();
    let rest = format!("ports/{}", server.port);
    let ticket = site.api(Method::POST, &format!("{rest}/visit"), None).await;
    let ticket = ticket.body["url"].as_str().unwrap().to_owned();
    let led = visit(&other, &site, &ticket).send().await.unwrap();
    assert_eq!(led.status(), StatusCode::SEE_OTHER);
    for replica in [site.app(), &other] {
        let again = visit(replica, &site, &ticket).send().await.unwrap();
        assert_eq!(again.status(), 403, "it is used up");
    }
    let cookie = led.headers()["set-cookie"].to_str().unwrap();
    for replica in [site.app(), &other] {
        for url in [
            url.to_owned(),
            url.replace(&format!("{}-", server.port), ""),
        ] {
            let page = visit(replica, &site, &url).header("cookie", cookie);
            let page = page.send().await.unwrap();
            assert_eq!(page.text().await.unwrap(), "/ 0", "{url}");
        }
    }
    // Its connections at the other replica are cut by that one's own look at the store.
    let events = visit(&other, &site, &format!("{url}events")).header("cookie", cookie);
    let mut events = events.send().await.unwrap();
    server.next_event.notify_one();
    assert_eq!(events.chunk().await.unwrap().unwrap(), "data: 1\n\n");
    assert_eq!(site.api(Method::DELETE, &rest, None).await.status, 204);
    let end = timeout(Duration::from_secs(30), events.chunk()).await;
    assert!(!matches!(end.unwrap(), Ok(Some(_))), "it is cut");
    let gone: Value = visit(&other, &site, url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(gone["error"]["code"], "not_found");
}
