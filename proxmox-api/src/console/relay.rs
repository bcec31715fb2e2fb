//! Leads a console to its shell at another replica, over a WebSocket between the two. Each
//! direction waits for its reader. The replica that has the shell counts, watches the lease and
//! says why the console closes; here only the two connections are watched. It never leads on what
//! was led to it.

use std::time::{Duration, Instant};

use axum::extract::ws::{CloseFrame, Message, close_code};
use axum::http::{HeaderValue, StatusCode, header};
use bytes::Bytes;
use futures_util::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use reqwest::Upgraded;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message as OwnerMessage,
        handshake::{client::generate_key, derive_accept_key},
        protocol::{CloseFrame as OwnerClose, Role, WebSocketConfig},
    },
};

use super::{
    MAX_MESSAGE,
    bridge::{DEAD, FromClient, PING, SEND, ToClient},
    end::ConsoleEnd,
    hand_over::{ACCEPTED, HAND_OVER, HandOver},
    meter::Meter,
};
use crate::{memory::consoles::Seat, replicas, state::App};

/// Where a replica leads others to its shells, below its address.
pub const PATH: &str = "/replicas/console";
/// How long the connection to another replica may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long it may take until the shell is there.
const REACH_TIMEOUT: Duration = Duration::from_secs(8);
const READ_BUFFER: usize = 16 * 1024;

type ToOwner = SplitSink<WebSocketStream<Upgraded>, OwnerMessage>;
type FromOwner = SplitStream<WebSocketStream<Upgraded>>;

/// What the replica that had the shell says.
pub(super) enum Reached {
    /// It still has it.
    Shell(Box<Relay>),
    /// It has no room for one more console now.
    Full,
    /// It has the shell no more, or is gone.
    Nothing,
}

/// Why a console that may have been led to another replica closes.
pub(super) enum RelayEnd {
    /// For a reason that was seen here.
    Here(ConsoleEnd),
    /// As the replica with the shell said.
    Owner(CloseFrame),
}

/// The connection to the replica that has the shell.
pub(super) struct Relay {
    owner: WebSocketStream<Upgraded>,
    /// The first message for the client.
    opened: String,
}

/// Asks the replica that had the shell for it.
pub(super) async fn reach(app: &App, asked: &HandOver) -> Reached {
    let reached = timeout(REACH_TIMEOUT, connect(app, asked));
    let (lease, replica) = (asked.lease_id.as_str(), asked.owner.as_str());
    match reached
        .await
        .unwrap_or(Err("it does not answer".to_owned()))
    {
        Ok(reached) => reached,
        Err(why) => {
            tracing::info!(lease.id = lease, replica.id = replica, %why, "the replica that had a console's shell cannot be asked for it");
            Reached::Nothing
        }
    }
}

async fn connect(app: &App, asked: &HandOver) -> Result<Reached, String> {
    let address = replicas::address_of(app, &asked.owner).await;
    let address = address.map_err(|error| error.to_string())?;
    let address = address.ok_or("it is not there")?;
    let url = format!("{}{PATH}", address.trim_end_matches('/'));
    let mut socket = open_socket(app, asked, &url).await?;
    loop {
        let message = socket.next().await.ok_or("it hung up")?;
        match message.map_err(|error| error.to_string())? {
            OwnerMessage::Text(opened) => {
                return Ok(Reached::Shell(Box::new(Relay {
                    owner: socket,
                    opened: opened.as_str().to_owned(),
                })));
            }
            OwnerMessage::Close(Some(frame))
                if u16::from(frame.code) == ConsoleEnd::Full.code() =>
            {
                return Ok(Reached::Full);
            }
            OwnerMessage::Close(_) => return Ok(Reached::Nothing),
            OwnerMessage::Binary(_) => return Err("it sends something else".to_owned()),
            OwnerMessage::Ping(_) | OwnerMessage::Pong(_) | OwnerMessage::Frame(_) => {}
        }
    }
}

async fn open_socket(
    app: &App,
    asked: &HandOver,
    url: &str,
) -> Result<WebSocketStream<Upgraded>, String> {
    let words = |error: reqwest::Error| error.without_url().to_string();
    let client = reqwest::Client::builder()
        .no_proxy()
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .build()
        .map_err(words)?;
    let key = generate_key();
    let mut signed =
        HeaderValue::from_str(&asked.signed(app)).map_err(|error| error.to_string())?;
    signed.set_sensitive(true);
    let request = client
        .get(url)
        .header(header::CONNECTION, "upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, &key)
        .header(HAND_OVER, signed);
    let response = request.send().await.map_err(words)?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(format!("it answers {}", response.status()));
    }
    let given = |name: &str| {
        let value = response.headers().get(name);
        value.and_then(|value| value.to_str().ok())
    };
    let accepted = given(ACCEPTED).is_some_and(|value| asked.is_accepted(app, value));
    let accept = derive_accept_key(key.as_bytes());
    if !accepted || given(header::SEC_WEBSOCKET_ACCEPT.as_str()) != Some(accept.as_str()) {
        return Err("something else answers at its address".to_owned());
    }
    let upgraded = response.upgrade().await.map_err(words)?;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .max_frame_size(Some(MAX_MESSAGE))
        .max_message_size(Some(MAX_MESSAGE));
    Ok(WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(config)).await)
}

impl Relay {
    /// Carries messages both ways until one side closes.
    pub(super) async fn carry(
        self,
        app: &App,
        mut seat: Seat,
        (to_client, from_client): (&mut ToClient, &mut FromClient),
    ) -> RelayEnd {
        let (mut to_owner, mut from_owner) = self.owner.split();
        let opened = Message::Text(self.opened.into());
        if to_client.send(opened).await.is_err() {
            return RelayEnd::Here(ConsoleEnd::ClientLost);
        }
        let meter = Meter::new(app);
        tokio::select! {
            end = show(&mut from_owner, to_client, &meter) => end,
            end = take(from_client, &mut to_owner, &meter) => RelayEnd::Here(end),
            loss = seat.pushed() => RelayEnd::Here(loss.into()),
        }
    }
}

/// From the other replica to the client.
async fn show(owner: &mut FromOwner, client: &mut ToClient, meter: &Meter) -> RelayEnd {
    let mut pings = interval(PING);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    loop {
        let message = tokio::select! {
            message = owner.next() => {
                heard = Instant::now();
                match message {
                    Some(Ok(OwnerMessage::Text(text))) => Message::Text(text.as_str().into()),
                    Some(Ok(OwnerMessage::Binary(bytes))) => Message::Binary(bytes),
                    Some(Ok(OwnerMessage::Close(Some(frame)))) => {
                        return RelayEnd::Owner(CloseFrame {
                            code: frame.code.into(),
                            reason: frame.reason.as_str().into(),
                        });
                    }
                    // The library answers pings.
                    Some(Ok(OwnerMessage::Ping(_) | OwnerMessage::Pong(_) | OwnerMessage::Frame(_))) => continue,
                    Some(Ok(OwnerMessage::Close(None)) | Err(_)) | None => return owner_lost(),
                }
            }
            _ = pings.tick() => {
                if heard.elapsed() > DEAD {
                    return owner_lost();
                }
                if meter.silence() > DEAD {
                    return RelayEnd::Here(ConsoleEnd::ClientLost);
                }
                Message::Ping(Bytes::new())
            }
        };
        let waits = Instant::now();
        match timeout(SEND, client.send(message)).await {
            // What the owner sent meanwhile was not looked at.
            Ok(Ok(())) => heard += waits.elapsed(),
            _ => return RelayEnd::Here(ConsoleEnd::ClientLost),
        }
    }
}

/// The client may come back, to a new shell.
fn owner_lost() -> RelayEnd {
    RelayEnd::Here(ConsoleEnd::Restart)
}

/// From the client to the other replica.
async fn take(client: &mut FromClient, owner: &mut ToOwner, meter: &Meter) -> ConsoleEnd {
    while let Some(Ok(message)) = client.next().await {
        meter.hear();
        let (message, end) = match message {
            Message::Binary(bytes) => (OwnerMessage::Binary(bytes), None),
            Message::Text(text) => (OwnerMessage::Text(text.as_str().into()), None),
            Message::Close(frame) => {
                let end = match &frame {
                    Some(frame) if frame.code != close_code::NORMAL => ConsoleEnd::ClientLost,
                    _ => ConsoleEnd::ClientLeft,
                };
                let frame = frame.map(|frame| OwnerClose {
                    code: frame.code.into(),
                    reason: frame.reason.as_str().into(),
                });
                (OwnerMessage::Close(frame), Some(end))
            }
            Message::Ping(_) | Message::Pong(_) => continue,
        };
        meter.hold_back(true);
        let sent = owner.send(message).await;
        meter.hold_back(false);
        match (sent, end) {
            (_, Some(end)) => return end,
            // Why it closed is read by the other direction.
            (Err(_), None) => std::future::pending().await,
            (Ok(()), None) => {}
        }
    }
    ConsoleEnd::ClientLost
}
