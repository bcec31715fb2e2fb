//! A leased container with a server in it, and visitors.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Request, WebSocketUpgrade, ws::Message},
    http::{HeaderMap, Uri, header},
    response::{IntoResponse as _, Response},
    routing::any,
};
use pve_sim::{Sim, SimConfig};
use reqwest::{Method, header::HOST};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::{
    buyer::{Answer, Buyer, SignedIn, call},
    guest::{Guest, plain_shell},
    support::{TestApp, until},
};

/// A container, its owner, and a client that follows no redirect.
pub struct Site {
    pub guest: Guest,
    pub session: SignedIn,
    pub client: reqwest::Client,
}

impl Site {
    /// A container whose SSH works, so that its ports can be reached.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// The same with further settings.
    pub async fn with(more: &[(&str, &str)]) -> Self {
        let config = SimConfig {
            time_scale: 0.002,
            shell: plain_shell(),
            ..SimConfig::default()
        };
        let sim = Sim::start(config).await.unwrap();
        let proxy = format!("socks5h://{}", sim.guest_proxy());
        let mut variables = vec![
            ("GUEST_SSH", "true"),
            ("GUEST_PROXY", proxy.as_str()),
            ("GUEST_DOMAIN", "localhost"),
        ];
        variables.extend(more);
        let app = TestApp::on(sim, &variables).await;
        let buyer = Buyer::funded(&app, 1).await;
        let ctid = crate::guest::lease(&app, &buyer, "box").await;
        let session = buyer.sign_in(&app).await;
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let guest = Guest { app, buyer, ctid };
        let this = Self {
            guest,
            session,
            client,
        };
        this.until_ssh().await;
        this
    }

    pub fn app(&self) -> &TestApp {
        &self.guest.app
    }

    pub async fn until_ssh(&self) {
        until("SSH works", async || {
            let access = self.get_api("access").await;
            (access.body == json!({"via": "ssh"})).then_some(())
        })
        .await;
    }

    pub fn path(&self, rest: &str) -> String {
        format!("/lease/{}/{rest}", self.guest.ctid)
    }

    /// The owner asks about the lease.
    pub async fn get_api(&self, rest: &str) -> Answer {
        self.session.get(self.app(), &self.path(rest)).await
    }

    /// The owner changes something of the lease.
    pub async fn api(&self, method: Method, rest: &str, body: Option<Value>) -> Answer {
        let bearer = [("authorization", format!("Bearer {}", self.session.0))];
        call(
            self.app(),
            &method,
            &self.path(rest),
            body.as_ref(),
            &bearer,
        )
        .await
    }

    /// Publishes a port and returns its view.
    pub async fn publish(&self, port: u16, access: &str) -> Value {
        let body = json!({ "access": access });
        let rest = format!("ports/{port}");
        let published = self.api(Method::PUT, &rest, Some(body)).await;
        assert_eq!(published.status, 200, "{:?}", published.body);
        published.body
    }

    /// A request to an address as it was given out, at the listener of the test.
    pub fn visit(&self, method: Method, url: &str, rest: &str) -> reqwest::RequestBuilder {
        let url = reqwest::Url::parse(url).unwrap();
        let host = format!("{}:4080", url.host_str().unwrap());
        let query = url.query().map(|query| format!("?{query}"));
        let path = match rest {
            "" => format!("{}{}", url.path(), query.unwrap_or_default()),
            rest => rest.to_owned(),
        };
        let at = format!("http://{}{path}", self.app().ingress);
        self.client.request(method, at).header(HOST, host)
    }

    /// Opens an address as a program does, and returns status and code of the refusal.
    pub async fn refused(&self, url: &str) -> (u16, String) {
        let answer = self.visit(Method::GET, url, "").send().await.unwrap();
        let status = answer.status().as_u16();
        let body: Value = answer.json().await.unwrap();
        (status, body["error"]["code"].as_str().unwrap().to_owned())
    }

    /// Sends bytes as they are and returns the first bytes of the answer.
    pub async fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.app().ingress).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = vec![0; 4096];
        let read = timeout(Duration::from_secs(20), stream.read(&mut answer));
        let length = read.await.unwrap().unwrap();
        String::from_utf8_lossy(&answer[..length]).into_owned()
    }
}

/// The host of an address.
pub fn host(url: &str) -> String {
    let url = reqwest::Url::parse(url).unwrap();
    url.host_str().unwrap().to_owned()
}

/// A server in the container, which ends with the test.
pub struct Server {
    pub port: u16,
    /// Lets the event stream send its next event.
    pub next_event: Arc<Notify>,
}

impl Server {
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let next_event = Arc::new(Notify::new());
        let events = next_event.clone();
        let router = Router::new()
            .route("/echo", any(echo))
            .route("/copy", any(|body: Bytes| async move { body }))
            .route("/ws", any(websocket))
            .route("/cookies", any(cookies))
            .route("/events", any(move || event_stream(events)))
            .fallback(|uri: Uri, body: Bytes| async move { format!("{uri} {}", body.len()) })
            .layer(DefaultBodyLimit::disable());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { port, next_event }
    }
}

/// What the container was told.
async fn echo(request: Request) -> Json<Value> {
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        json!([name.as_str(), value])
    });
    Json(json!({
        "uri": request.uri().to_string(),
        "method": request.method().as_str(),
        "headers": headers.collect::<Vec<_>>(),
    }))
}

async fn cookies() -> Response {
    let cookies = [
        (header::SET_COOKIE, "kept=1; Domain=localhost; Path=/"),
        (header::SET_COOKIE, "infra402-access=forged; Path=/"),
    ];
    let mut response = "set".into_response();
    for (name, value) in cookies {
        response.headers_mut().append(name, value.parse().unwrap());
    }
    response
}

async fn websocket(headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    let tells = headers.contains_key("cookie") || headers.contains_key("x-infra402-access");
    upgrade.on_upgrade(move |mut socket| async move {
        if tells {
            let told = Message::text("a token reached the container");
            let _ = socket.send(told).await;
        }
        while let Some(Ok(message)) = socket.recv().await {
            if matches!(message, Message::Close(_)) || socket.send(message).await.is_err() {
                return;
            }
        }
    })
}

async fn event_stream(next: Arc<Notify>) -> Response {
    let events = futures_util::stream::unfold(1, move |number| {
        let next = next.clone();
        async move {
            next.notified().await;
            Some((
                Ok::<_, Infallible>(format!("data: {number}\n\n")),
                number + 1,
            ))
        }
    });
    let mut response = Body::from_stream(events).into_response();
    let media = header::HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    response
}
