//! The WebSocket that carries a connection to the container's SSH server.

use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::Method;
use tokio_tungstenite::{
    connect_async,
    tungstenite::{self, Message, client::IntoClientRequest as _},
};

use super::openssh::Client;

type Socket =
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

async fn connect(client: &Client, bearer: Option<&str>) -> Result<Socket, tungstenite::Error> {
    let url = client.app.url.replace("http", "ws");
    let mut request = format!("{url}/lease/{}/proxy", client.ctid)
        .into_client_request()
        .unwrap();
    if let Some(token) = bearer {
        let value = format!("Bearer {token}").parse().unwrap();
        request.headers_mut().insert("authorization", value);
    }
    connect_async(request).await.map(|(socket, _)| socket)
}

#[tokio::test]
#[cfg_attr(
    not(has_confined_shells),
    ignore = "needs namespaces or bubblewrap (Debian: util-linux bubblewrap)"
)]
async fn the_owner_gets_to_the_containers_ssh_server_until_the_lease_ends() {
    let client = Client::start().await;
    for bearer in [None, Some("wrong")] {
        match connect(&client, bearer).await {
            Err(tungstenite::Error::Http(refused)) => assert_eq!(refused.status(), 401),
            other => panic!("{:?}", other.map(drop)),
        }
    }
    let mut socket = connect(&client, Some(&client.session.0)).await.unwrap();
    let greeting = loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Binary(bytes) => break bytes,
            _ => continue,
        }
    };
    assert!(greeting.starts_with(b"SSH-2.0-"), "{greeting:?}");
    // A client that ends first gets its end.
    let mut early = connect(&client, Some(&client.session.0)).await.unwrap();
    early.close(None).await.unwrap();
    while let Some(Ok(_)) = early.next().await {}
    // Not a WebSocket.
    let plain = client.api(Method::GET, "proxy", None).await;
    assert_eq!(
        (plain.status.as_u16(), plain.code()),
        (400, "invalid_request")
    );
    let path = format!("/lease/{}", client.ctid);
    let ended = client
        .session
        .call(&client.app, Method::DELETE, &path)
        .await;
    assert!(ended.status.is_success(), "{:?}", ended.body);
    while let Some(Ok(message)) = socket.next().await {
        let _ = socket.flush().await;
        if let Message::Close(frame) = message {
            assert_eq!(frame.unwrap().reason, "the connection was cut");
        }
    }
}

#[tokio::test]
#[cfg_attr(
    not(has_confined_shells),
    ignore = "needs namespaces or bubblewrap (Debian: util-linux bubblewrap)"
)]
async fn the_view_of_a_lease_says_how_ssh_clients_get_in_until_it_ends() {
    let client = Client::start().await;
    let told = client.api(Method::GET, "ssh", None).await;
    assert_eq!(told.status, 200, "{:?}", told.body);
    let leases = async |rest: &str| {
        let path = format!("/leases{rest}");
        let answer = client.session.call(&client.app, Method::GET, &path).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        answer.body
    };
    let id = leases("").await["leases"][0]["leaseId"]
        .as_str()
        .unwrap()
        .to_owned();
    let view = leases(&format!("/{id}")).await;
    assert_eq!(view["ssh"], told.body);
    let name = told.body["host"].as_str().unwrap();
    let known = told.body["knownHosts"][0].as_str().unwrap();
    assert!(
        known.starts_with(&format!("{name} ssh-ed25519 ")),
        "{known}"
    );
    let path = format!("/lease/{}", client.ctid);
    let ended = client
        .session
        .call(&client.app, Method::DELETE, &path)
        .await;
    assert!(ended.status.is_success(), "{:?}", ended.body);
    let over = leases(&format!("/{id}")).await;
    assert!(over.get("ssh").is_none(), "{over}");
}
