//! `infra402 ports` against the real service: the addresses that it prints are opened as visitors
//! open them, and lead to a web server in a container.

use std::net::SocketAddr;

use reqwest::{
    Response, Url,
    header::{COOKIE, LOCATION, SET_COOKIE},
    redirect::Policy,
};
use serde_json::{Value, json};

use crate::{
    life::tenant,
    market::{Market, until},
    program::Program,
};

/// The page of the web server.
pub const PAGE: &str = "<h1>hello</h1>\n";

/// Copies a page into the container and serves it on port 8080 of its loopback, as docs/CLI.md
/// does.
pub async fn serve_page(program: &Program) {
    program.write("site/index.html", PAGE);
    program.text(&["cp", "./site", "box:/srv"]).await;
    let server = "cd /srv/site && exec python3 -m http.server --bind 127.0.0.1 8080";
    program.text(&["exec", "-d", "box", server]).await;
    until("the web server answers", async || {
        let asked = "exec 3<>/dev/tcp/127.0.0.1/8080";
        let ran = program.run(&["exec", "box", "bash", "-c", asked]).await;
        (ran.status == 0).then_some(())
    })
    .await;
}

/// Opens an address as it was given out; no resolver is asked for its name.
async fn open(url: &str, cookie: Option<&str>) -> Response {
    let name = Url::parse(url).unwrap().host_str().unwrap().to_owned();
    // Port 0 stands for the address's own.
    let here = SocketAddr::from(([127, 0, 0, 1], 0));
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .resolve(&name, here);
    let mut request = client.build().unwrap().get(url);
    if let Some(cookie) = cookie {
        request = request.header(COOKIE, cookie);
    }
    request.send().await.unwrap()
}

async fn page(url: &str, cookie: Option<&str>) -> String {
    let answer = open(url, cookie).await;
    assert_eq!(answer.status(), 200, "{url}");
    answer.text().await.unwrap()
}

async fn refusal(url: &str, cookie: Option<&str>) -> (u16, String) {
    let answer = open(url, cookie).await;
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap();
    (status, body["error"]["code"].as_str().unwrap().to_owned())
}

/// Opens an address with a token; where it leads, and the cookie that it gives.
async fn enter(url: &str) -> (String, String) {
    let answer = open(url, None).await;
    assert!(answer.status().is_redirection(), "{:?}", answer.status());
    let header = |name| answer.headers()[name].to_str().unwrap();
    let to = Url::parse(url).unwrap().join(header(LOCATION)).unwrap();
    let cookie = header(SET_COOKIE).split(';').next().unwrap();
    (to.to_string(), cookie.to_owned())
}

#[tokio::test]
#[cfg_attr(
    not(has_confined_shells),
    ignore = "needs namespaces or bubblewrap (Debian: util-linux bubblewrap)"
)]
#[cfg_attr(
    all(has_confined_shells, not(has_python3)),
    ignore = "needs Python 3 (Debian: python3)"
)]
async fn a_web_server_in_a_container_is_published_visited_and_closed() {
    let market = Market::with_ssh().await;
    let program = tenant(&market).await;
    let none = program.text(&["ports", "ls", "box"]).await;
    assert!(none.starts_with("no published ports"), "{none}");
    let early = program
        .run(&["--json", "ports", "visit", "box", "8080"])
        .await;
    assert_eq!(
        (early.status, &early.error()["code"]),
        (3, &json!("not_found")),
        "{}",
        early.stderr
    );
    serve_page(&program).await;

    // For everybody, in words and as a document.
    let opened = program
        .text(&["ports", "open", "box", "8080", "--access", "public"])
        .await;
    let url = opened.trim().to_owned();
    assert_eq!(page(&url, None).await, PAGE);
    let listed = program.json(&["ports", "ls", "box"]).await;
    let public = json!({"port": 8080, "access": "public", "url": url});
    assert_eq!(listed, json!({ "ports": [public] }));

    // For the owner, who is told how it is opened.
    let opened = program.text(&["ports", "open", "box", "8080"]).await;
    assert_eq!(
        opened,
        format!("{url}\nnext: infra402 ports visit box 8080\n")
    );
    assert_eq!(refusal(&url, None).await, (403, "private".to_owned()));
    let visit = program.text(&["ports", "visit", "box", "8080"]).await;
    let (to, cookie) = enter(visit.trim()).await;
    assert_eq!(
        (to.as_str(), page(&to, Some(&cookie)).await.as_str()),
        (url.as_str(), PAGE)
    );
    let again = refusal(visit.trim(), None).await;
    assert_eq!(again, (403, "private".to_owned()), "it is good once");

    // By a link, until the access is changed.
    let opened = program
        .text(&["ports", "open", "box", "8080", "--access", "link"])
        .await;
    let link = opened.trim();
    assert_eq!(
        refusal(&url, Some(&cookie)).await,
        (403, "private".to_owned())
    );
    let shown = program.text(&["ports", "ls", "box"]).await;
    assert!(shown.contains(link), "{shown}");
    let (to, cookie) = enter(link).await;
    assert_eq!(page(&to, Some(&cookie)).await, PAGE);

    // A port where nothing listens is not the same as one that is closed.
    let opened = program
        .text(&["ports", "open", "box", "8081", "--access", "public"])
        .await;
    let nothing = refusal(opened.trim(), None).await;
    assert_eq!(nothing, (502, "nothing_listens".to_owned()));
    let closed = program.text(&["ports", "close", "box", "8080"]).await;
    assert_eq!(closed, "port 8080 is closed\n");
    let gone = (404, "not_found".to_owned());
    assert_eq!(refusal(&url, Some(&cookie)).await, gone);
    assert_eq!(refusal(link, None).await, gone);
    program.text(&["rm", "box"]).await;
    assert_eq!(refusal(opened.trim(), None).await, gone);
}
