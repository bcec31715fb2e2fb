//! A program that uses a console's WebSocket through a third-party client.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest as _,
        http::{HeaderName, HeaderValue},
        protocol::CloseFrame,
    },
};

use crate::guest::Guest;

/// How long an expected message may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// An open connection.
pub struct Client {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    shown: String,
}

/// Buys a console and returns the response's body.
pub async fn buy(guest: &Guest) -> Value {
    let path = guest.console_path();
    let answer = guest.buyer.pay(&guest.app, Method::POST, &path, None).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    answer.body
}

/// Buys a ticket.
pub async fn ticket(guest: &Guest) -> String {
    buy(guest).await["ticket"].as_str().unwrap().to_owned()
}

/// Connects, with further headers; returns the status if the service refuses.
pub async fn dial(guest: &Guest, headers: &[(&str, &str)]) -> Result<Client, u16> {
    dial_path(guest, "/console/ws", headers).await
}

/// The same at another path.
pub async fn dial_path(guest: &Guest, path: &str, headers: &[(&str, &str)]) -> Result<Client, u16> {
    let url = format!("{}{path}", guest.app.url.replace("http://", "ws://"));
    let mut request = url.into_client_request().unwrap();
    for (name, value) in headers {
        let name: HeaderName = name.parse().unwrap();
        let value = HeaderValue::from_str(value).unwrap();
        request.headers_mut().insert(name, value);
    }
    match connect_async(request).await {
        Ok((stream, _)) => Ok(Client {
            stream,
            shown: String::new(),
        }),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

/// Connects and sends a ticket.
pub async fn connect(guest: &Guest, ticket: &str) -> Client {
    let mut client = dial(guest, &[]).await.unwrap();
    client
        .send(json!({"ticket": ticket, "resize": [120, 40]}))
        .await;
    client
}

/// Buys a console, opens it and waits for its prompt; returns also the ticket for a reconnect.
pub async fn open(guest: &Guest) -> (Client, String) {
    let mut client = connect(guest, &ticket(guest).await).await;
    let resume = client.opened(guest).await;
    // A session that is resumed prints no prompt by itself.
    client.keys("\r").await;
    client.until("# ").await;
    (client, resume)
}

impl Client {
    pub async fn send(&mut self, text: Value) {
        self.message(Message::text(text.to_string())).await;
    }

    pub async fn keys(&mut self, keys: &str) {
        self.message(Message::binary(keys.as_bytes().to_vec()))
            .await;
    }

    pub async fn message(&mut self, message: Message) {
        self.stream.send(message).await.unwrap();
    }

    /// The next message that is not a ping.
    async fn next(&mut self) -> Option<Result<Message, Error>> {
        let message = async {
            loop {
                match self.stream.next().await {
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    other => return other,
                }
            }
        };
        tokio::time::timeout(PATIENCE, message)
            .await
            .unwrap_or_else(|_| panic!("nothing more comes after {:?}", self.shown))
    }

    /// The message that says that the console is open, and the ticket in it.
    pub async fn opened(&mut self, guest: &Guest) -> String {
        let Some(Ok(Message::Text(text))) = self.next().await else {
            panic!("the first message is no text")
        };
        let body: Value = serde_json::from_str(&text).unwrap();
        let opened = &body["opened"];
        assert_eq!(
            (&opened["ctid"], &opened["hostname"]),
            (&json!(guest.ctid), &json!("box"))
        );
        assert!(opened["expiresAt"].as_str().unwrap().ends_with('Z'));
        opened["resume"].as_str().unwrap().to_owned()
    }

    /// Nothing comes for so long, neither words nor the end.
    pub async fn waits(&mut self, time: Duration) {
        let came = tokio::time::timeout(time, self.next()).await;
        assert!(came.is_err(), "{came:?}");
    }

    /// Reads until a text was shown, and drops the output up to there.
    pub async fn until(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.shown.find(text) {
                let rest = self.shown.split_off(at + text.len());
                return std::mem::replace(&mut self.shown, rest);
            }
            match self.next().await {
                Some(Ok(Message::Binary(bytes))) => {
                    self.shown.push_str(&String::from_utf8_lossy(&bytes))
                }
                other => panic!("{other:?} instead of {text:?} after {:?}", self.shown),
            }
        }
    }

    /// Types a line that joins two halves, so that its echo is not taken for its output.
    pub async fn says(&mut self, command: &str, word: &str) -> String {
        self.keys(&format!("{command}; printf '<%s>\\n' {word}\r"))
            .await;
        self.until(&format!("<{word}>")).await
    }

    /// Reads to the end: close code and reason.
    pub async fn closed(mut self) -> (u16, String) {
        loop {
            match self.next().await {
                Some(Ok(Message::Close(Some(CloseFrame { code, reason })))) => {
                    return (code.into(), reason.as_str().to_owned());
                }
                Some(Ok(_)) => {}
                other => panic!("{other:?} instead of a close frame"),
            }
        }
    }

    /// Closes the connection with a closing handshake.
    pub async fn leave(mut self) {
        let frame = CloseFrame {
            code: 1000.into(),
            reason: "".into(),
        };
        self.stream.close(Some(frame)).await.unwrap();
        while let Some(Ok(_)) = self.stream.next().await {}
    }
}
