//! What browsers show of published ports, and what they are kept from.

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;

use super::site::{Server, Site, host};

/// A browser that goes to an address, from the address bar or a page of another site.
fn navigates(request: RequestBuilder, site: &str) -> RequestBuilder {
    request
        .header("Sec-Fetch-Mode", "navigate")
        .header("Sec-Fetch-Dest", "document")
        .header("Sec-Fetch-Site", site)
}

#[tokio::test]
async fn a_browser_is_warned_once_before_a_public_page_and_programs_are_not() {
    let (site, server) = (Site::start().await, Server::start().await);
    let port = site.publish(server.port, "public").await;
    let url = port["url"].as_str().unwrap();
    let visit = |rest: &str| site.visit(Method::GET, url, rest);
    let passes =
        async |request: RequestBuilder| request.send().await.unwrap().text().await.unwrap();

    let warned = navigates(visit("/a?b=1"), "none").send().await.unwrap();
    assert_eq!(warned.status(), 200);
    assert_eq!(warned.headers()["cache-control"], "no-store");
    assert_eq!(warned.headers()["x-robots-tag"], "noindex, nofollow");
    let page = warned.text().await.unwrap();
    let next = format!("{url}a?b=1&amp;infra402_seen=1");
    assert!(page.contains(&format!("href=\"{next}\"")), "{page}");
    assert!(page.contains(&host(url)), "{page}");

    // Only the page's own link leads on: others can be sent to visitors.
    let own = "/a?b=1&infra402_seen=1";
    let sent = passes(navigates(visit(own), "cross-site")).await;
    assert!(sent.contains("by a customer"), "{sent}");
    let led = navigates(visit(own), "same-origin").send().await.unwrap();
    assert_eq!(led.status(), StatusCode::SEE_OTHER);
    assert_eq!(led.headers()["location"], format!("{url}a?b=1"));
    let cookie = led.headers()["set-cookie"].to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let seen = navigates(visit("/echo"), "none").header("cookie", &cookie);
    let told: Value = seen.send().await.unwrap().json().await.unwrap();
    assert!(!told.to_string().contains("infra402"), "{told}");

    // A path that begins like a host stays on this one.
    let page = passes(navigates(visit("//evil.example/"), "none")).await;
    assert!(
        page.contains(&format!("href=\"{url}/evil.example/?")),
        "{page}"
    );
    // Programs, scripts of a page, and tests that say so.
    assert_eq!(passes(visit("/x")).await, "/x 0");
    let script = visit("/x").header("Sec-Fetch-Mode", "cors");
    assert_eq!(passes(script).await, "/x 0");
    let skipped = navigates(visit("/x"), "none").header("X-Infra402-Skip-Warning", "1");
    assert_eq!(passes(skipped).await, "/x 0");
    // Those who have a link know the owner.
    let port = site.publish(server.port, "link").await;
    let link = port["link"].as_str().unwrap();
    let led = navigates(site.visit(Method::GET, link, ""), "cross-site");
    let led = led.send().await.unwrap();
    assert_eq!(led.status(), StatusCode::SEE_OTHER);
    let cookie = led.headers()["set-cookie"].to_str().unwrap().to_owned();
    let page = navigates(visit("/x"), "cross-site").header("cookie", cookie);
    assert_eq!(passes(page).await, "/x 0");
}

#[tokio::test]
async fn a_name_without_a_port_is_the_lowest_port_that_is_published() {
    let (site, server) = (Site::start().await, Server::start().await);
    let port = site.publish(server.port, "link").await;
    let (url, link) = (
        port["url"].as_str().unwrap(),
        port["link"].as_str().unwrap(),
    );
    let label = format!("{}-", server.port);
    let (bare, bare_link) = (url.replace(&label, ""), link.replace(&label, ""));
    assert_eq!(site.refused(&bare).await, (403, "private".into()));
    let led = site
        .visit(Method::GET, &bare_link, "")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (led.status(), led.headers()["location"].to_str().unwrap()),
        (StatusCode::SEE_OTHER, bare.as_str()),
    );
    let cookie = led.headers()["set-cookie"].to_str().unwrap().to_owned();
    let page = site
        .visit(Method::GET, &bare, "/x")
        .header("cookie", cookie);
    assert_eq!(page.send().await.unwrap().text().await.unwrap(), "/x 0");
    let asked = format!("http://{}/ask?domain={}", site.app().ingress, host(&bare));
    let ask = async || site.client.get(&asked).send().await.unwrap().status();
    assert_eq!(ask().await, 200);
    // A lower one takes its place, and without any the name is unknown.
    site.publish(1, "public").await;
    assert_eq!(site.refused(&bare).await, (502, "nothing_listens".into()));
    for number in [1, server.port] {
        let rest = format!("ports/{number}");
        let closed = site.api(Method::DELETE, &rest, None).await;
        assert_eq!(closed.status, 204);
    }
    assert_eq!(site.refused(&bare).await, (404, "not_found".into()));
    assert_eq!(ask().await, 404);
}

#[tokio::test]
async fn a_cookie_that_another_page_set_for_the_whole_domain_keeps_nobody_out() {
    let (site, server) = (Site::start().await, Server::start().await);
    let port = site.publish(server.port, "link").await;
    let (url, link) = (
        port["url"].as_str().unwrap(),
        port["link"].as_str().unwrap(),
    );
    let token = link.split_once("infra402_access=").unwrap().1;
    // Browsers send both, and which comes first is for the other page to choose.
    let cookies = format!("infra402-access=forged; a=1; infra402-access={token}");
    let told = site
        .visit(Method::GET, url, "/echo")
        .header("cookie", cookies)
        .header("referer", link);
    let told = told.send().await.unwrap();
    assert_eq!(told.status(), 200);
    let told = told.text().await.unwrap();
    // Neither cookie and no token reaches the container, in an address that a page was opened by
    // neither.
    assert!(!told.contains("infra402"), "{told}");
    assert!(told.contains("[\"cookie\",\"a=1\"]"), "{told}");
    let forged = site
        .visit(Method::GET, url, "/echo")
        .header("cookie", "infra402-access=forged");
    assert_eq!(forged.send().await.unwrap().status(), 403);
}
