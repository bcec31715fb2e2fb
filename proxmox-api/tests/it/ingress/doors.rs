//! Who may open a port: its owner by an address that is good once, those with the link, everybody.

use std::{pin::Pin, time::Duration};

use proxmox_api::{lease::guest::stream, memory::guest_streams::StreamKind};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::site::{Server, Site, host};
use crate::{
    buyer::{Buyer, call},
    support::until,
};

fn cookie_of(answer: &reqwest::Response) -> String {
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_port_is_private_until_its_owner_opens_it_and_the_token_stays_in_no_address() {
    let (site, server) = (Site::start().await, Server::start().await);
    let port = site.publish(server.port, "owner").await;
    let url = port["url"].as_str().unwrap();
    assert_eq!(port["link"], Value::Null);
    assert!(
        url.starts_with(&format!("http://{}-", server.port)),
        "{url}"
    );
    assert!(url.ends_with(".localhost:4080/"), "{url}");
    assert_eq!(site.refused(url).await, (403, "private".into()));

    let rest = format!("ports/{}/visit", server.port);
    let visit = site.api(Method::POST, &rest, None).await;
    assert_eq!(visit.status, 200, "{:?}", visit.body);
    let once = visit.body["url"].as_str().unwrap();
    // A look without opening uses nothing up.
    let head = site.visit(Method::HEAD, once, "").send().await.unwrap();
    assert_eq!(head.status(), 403);
    let led = site.visit(Method::GET, once, "").send().await.unwrap();
    assert_eq!(led.status(), StatusCode::SEE_OTHER);
    assert_eq!(led.headers()["location"], url);
    assert_eq!(led.headers()["referrer-policy"], "no-referrer");
    let set = led.headers()["set-cookie"].to_str().unwrap();
    assert!(set.contains("HttpOnly") && !set.contains("Domain"), "{set}");
    let cookie = cookie_of(&led);
    let opened = site
        .visit(Method::GET, url, "/echo")
        .header("cookie", format!("a=1; {cookie}"));
    let told: Value = opened.send().await.unwrap().json().await.unwrap();
    assert!(told["headers"].to_string().contains("a=1"), "{told}");
    assert!(!told.to_string().contains("infra402-access"), "{told}");
    assert_eq!(site.refused(once).await, (403, "private".into()), "used up");

    let token = visit.body["token"].as_str().unwrap();
    let program = site
        .visit(Method::GET, url, "/echo")
        .header("X-Infra402-Access", token);
    assert_eq!(program.send().await.unwrap().status(), 200);
    // A change of the access ends what was given out before, opened or not.
    let unopened = site.api(Method::POST, &rest, None).await;
    site.publish(server.port, "link").await;
    let unopened = unopened.body["url"].as_str().unwrap();
    assert_eq!(site.refused(unopened).await, (403, "private".into()));
    let late = site
        .visit(Method::GET, url, "/echo")
        .header("cookie", cookie);
    assert_eq!(late.send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn a_link_opens_its_own_port_and_only_until_the_access_changes() {
    let (site, server) = (Site::start().await, Server::start().await);
    let other = Server::start().await;
    let port = site.publish(server.port, "link").await;
    let (url, link) = (
        port["url"].as_str().unwrap(),
        port["link"].as_str().unwrap(),
    );
    assert_eq!(site.publish(server.port, "link").await, port, "it stays");
    let elsewhere = site.publish(other.port, "link").await;
    let led = site.visit(Method::GET, link, "").send().await.unwrap();
    assert_eq!(
        (led.status(), &led.headers()["location"]),
        (StatusCode::SEE_OTHER, &url.parse().unwrap())
    );
    let cookie = cookie_of(&led);
    let page = site
        .visit(Method::GET, url, "/x?y=1")
        .header("cookie", &cookie);
    let page = page.send().await.unwrap();
    assert_eq!(page.headers()["x-robots-tag"], "noindex, nofollow");
    assert_eq!(page.text().await.unwrap(), "/x?y=1 0");
    let other_url = elsewhere["url"].as_str().unwrap();
    let crossed = site
        .visit(Method::GET, other_url, "/x")
        .header("cookie", &cookie);
    assert_eq!(crossed.send().await.unwrap().status(), 403);
    // A path that begins like a host leads nowhere else.
    let token = link.split_once('?').unwrap().1;
    let led = site
        .visit(Method::GET, url, &format!("//evil.example/?{token}"))
        .send()
        .await
        .unwrap();
    let location = led.headers()["location"].to_str().unwrap();
    assert!(
        location.starts_with(url.trim_end_matches('/')),
        "{location}"
    );

    site.publish(server.port, "public").await;
    let open = site.visit(Method::GET, url, "/x").send().await.unwrap();
    assert!(open.headers().get("x-robots-tag").is_none());
    assert_eq!(open.text().await.unwrap(), "/x 0");
    site.publish(server.port, "link").await;
    assert_eq!(site.refused(link).await, (403, "private".into()));
}

#[tokio::test]
async fn the_lease_shows_its_ports_and_only_its_owner_changes_them() {
    let (site, server) = (Site::start().await, Server::start().await);
    let port = site.publish(server.port, "link").await;
    let expected = json!([{"port": server.port, "access": "link", "url": port["url"]}]);
    for path in ["/leases", "/management/list"] {
        if path == "/management/list" {
            let listed = site
                .guest
                .buyer
                .pay(site.app(), Method::GET, path, None)
                .await;
            assert_eq!(listed.body["leases"][0]["ports"], expected);
            continue;
        }
        let listed = site.session.get(site.app(), path).await;
        assert_eq!(
            listed.body["leases"][0]["ports"], expected,
            "{:?}",
            listed.body
        );
    }
    assert_eq!(site.get_api("ports").await.body["ports"][0], port);
    let stranger = Buyer::funded(site.app(), 2).await.sign_in(site.app()).await;
    let bearer = [("authorization", format!("Bearer {}", stranger.0))];
    let one = format!("ports/{}", server.port);
    for (method, rest) in [
        (Method::GET, "ports".to_owned()),
        (Method::PUT, one.clone()),
        (Method::DELETE, one.clone()),
        (Method::POST, format!("{one}/visit")),
    ] {
        let answer = call(site.app(), &method, &site.path(&rest), None, &bearer).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (403, "forbidden"));
        let answer = call(site.app(), &method, &site.path(&rest), None, &[]).await;
        assert_eq!(answer.status, 401);
    }
    for (rest, body) in [
        ("ports/0", json!({"access": "link"})),
        ("ports/65536", json!({"access": "link"})),
        ("ports/http", json!({"access": "link"})),
        ("ports/80", json!({"access": "all"})),
        ("ports/80", json!({"access": "link", "more": 1})),
    ] {
        let refused = site.api(Method::PUT, rest, Some(body)).await;
        assert_eq!(
            (refused.status.as_u16(), refused.code()),
            (400, "invalid_request")
        );
    }
    for port in 1..20 {
        site.publish(port, "public").await;
    }
    let many = site
        .api(Method::PUT, "ports/20", Some(json!({"access": "public"})))
        .await;
    assert_eq!((many.status.as_u16(), many.code()), (409, "lease_conflict"));
    for _ in 0..2 {
        let closed = site.api(Method::DELETE, &one, None).await;
        assert_eq!(closed.status, 204);
    }
    let url = port["url"].as_str().unwrap();
    assert_eq!(site.refused(url).await, (404, "not_found".into()));
}

#[tokio::test]
async fn an_open_connection_is_cut_when_its_port_is_closed_or_its_name_taken_down() {
    let (site, server) = (Site::start().await, Server::start().await);
    let port = site.publish(server.port, "public").await;
    let url = port["url"].as_str().unwrap();
    let mut events = site
        .visit(Method::GET, url, "/events")
        .send()
        .await
        .unwrap();
    server.next_event.notify_one();
    assert_eq!(events.chunk().await.unwrap().unwrap(), "data: 1\n\n");
    let rest = format!("ports/{}", server.port);
    assert_eq!(site.api(Method::DELETE, &rest, None).await.status, 204);
    let end = timeout(Duration::from_secs(10), events.chunk()).await;
    assert!(!matches!(end.unwrap(), Ok(Some(_))), "it is cut");

    site.publish(server.port, "public").await;
    let name = host(url)
        .split_once('-')
        .unwrap()
        .1
        .replace(".localhost", "");
    let store = &site.app().app.store;
    assert!(store.take_name_down(&name, "phishing", 1).await.unwrap());
    assert_eq!(site.refused(url).await, (404, "not_found".into()));
    let told = site.get_api("ports").await;
    assert_eq!(told.body["takenDown"], "phishing");
    let refused = site.api(Method::PUT, "ports/81", None).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (409, "lease_conflict")
    );
    assert!(store.put_name_up(&name).await.unwrap());
    let again = site.visit(Method::GET, url, "/x").send().await.unwrap();
    assert_eq!(again.text().await.unwrap(), "/x 0");
}

#[tokio::test]
async fn what_is_over_while_the_way_into_the_container_is_made_gets_no_connection() {
    let (site, server) = (Site::start().await, Server::start().await);
    let port = site.publish(server.port, "public").await;
    let host = host(port["url"].as_str().unwrap());
    let name = &host[host.find('-').unwrap() + 1..host.find('.').unwrap()];
    let app = &site.app().app;
    let lease = app.store.lease_by_guest_name(name).await.unwrap().unwrap();
    let wanted = (StreamKind::Web([127, 0, 0, 1].into()), server.port);
    for (still, expected) in [(true, None), (false, Some("Over"))] {
        let allowed = Box::new(move || Box::pin(async move { Ok(still) }) as Pin<Box<_>>);
        let opened = stream::open(app, &lease, wanted, Duration::from_secs(60), allowed).await;
        let refused = opened.err().map(|refused| format!("{refused:?}"));
        assert_eq!(refused.as_deref(), expected);
    }
}

#[tokio::test]
async fn the_end_of_a_lease_cuts_its_visitors_off_and_its_name_is_as_unknown_as_any() {
    let (site, server) = (Site::start().await, Server::start().await);
    let port = site.publish(server.port, "public").await;
    let url = port["url"].as_str().unwrap();
    let mut events = site
        .visit(Method::GET, url, "/events")
        .send()
        .await
        .unwrap();
    server.next_event.notify_one();
    assert_eq!(events.chunk().await.unwrap().unwrap(), "data: 1\n\n");
    let path = format!("/lease/{}", site.guest.ctid);
    let ended = site.session.call(site.app(), Method::DELETE, &path).await;
    assert!(ended.status.is_success(), "{:?}", ended.body);
    let end = timeout(Duration::from_secs(20), events.chunk()).await;
    assert!(!matches!(end.unwrap(), Ok(Some(_))), "it is cut");
    let gone = until("the name is gone", async || {
        let answer = site.visit(Method::GET, url, "/").send().await.unwrap();
        (answer.status() == 404).then_some(answer)
    })
    .await;
    let never = url.replace(&host(url), "80-0123456789ab.localhost");
    let never = site.visit(Method::GET, &never, "/").send().await.unwrap();
    let comparable = |answer: &reqwest::Response| {
        let mut headers = answer.headers().clone();
        headers.remove("date");
        (answer.status(), headers)
    };
    assert_eq!(comparable(&gone), comparable(&never));
    assert_eq!(gone.text().await.unwrap(), never.text().await.unwrap());
}
