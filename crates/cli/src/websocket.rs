//! A WebSocket of the API, over the same HTTP client as everything else.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{
    StatusCode, Upgraded,
    header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{handshake::derive_accept_key, protocol::Role},
};

use crate::{
    api::Api,
    failure::{ExitStatus, Failure},
};

/// Opens a WebSocket with the wallet's session.
///
/// # Errors
/// The service refuses it, or something between here and there does not pass it on.
pub async fn open(api: &Api, path: &str) -> Result<WebSocketStream<Upgraded>, Failure> {
    let mut nonce = [0; 16];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut nonce)
        .map_err(|_| Failure::local("there are no random numbers"))?;
    let key = STANDARD.encode(nonce);
    let make = || {
        let request = api.transfers().get(api.url(path));
        Ok(request
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "websocket")
            .header(SEC_WEBSOCKET_VERSION, "13")
            .header(SEC_WEBSOCKET_KEY, &key))
    };
    let response = api.with_session(make).await?;
    let accept = response.headers().get(SEC_WEBSOCKET_ACCEPT);
    let accepted =
        accept.is_some_and(|accept| accept == derive_accept_key(key.as_bytes()).as_str());
    let not_passed_on = |why: &str| {
        let message = format!("the connection did not become a WebSocket: {why}");
        Failure::new(ExitStatus::Unreachable, "no_websocket", message)
            .advise("a proxy in between may not pass WebSockets on")
    };
    if response.status() != StatusCode::SWITCHING_PROTOCOLS || !accepted {
        return Err(not_passed_on("the answer is no switch of protocols"));
    }
    let upgraded = response
        .upgrade()
        .await
        .map_err(|error| not_passed_on(&error.to_string()))?;
    Ok(WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await)
}
