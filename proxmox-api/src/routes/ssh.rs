//! `/lease/{lease}/ssh-keys`, `/lease/{lease}/ssh` and `/lease/{lease}/proxy`: the customer's own
//! SSH into a container, for its owner.

use std::time::Duration;

use api_types::{ErrorCode, SshAccess, SshKeyList, SshKeyRequest, SshKeyView};
use axum::{
    Extension, Router,
    body::Bytes,
    extract::{
        Path, State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket, close_code, rejection::WebSocketUpgradeRejection},
    },
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::get,
};
use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use service::request_id::RequestId;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tracing::Instrument as _;

use super::{Body, Query, commands::active_lease, lease_selector, limited, no_store, private};
use crate::{
    App,
    error::ApiError,
    ids::KeyId,
    keys as api_keys,
    lease::{
        guest::{
            connect,
            stream::{self, NoStream, WatchedStream},
        },
        ports::name,
        ssh::{self, keys},
    },
    memory::{guest_routes::SshObstacle, guest_streams::StreamKind},
    paywall::body,
    sessions::WalletSession,
};

/// The largest message that is read: the packets of SSH are smaller.
const MAX_MESSAGE: usize = 1024 * 1024;
/// What is read of the container at a time.
const CHUNK: usize = 32 * 1024;
/// After how long without a byte a connection is closed.
const LONGEST_IDLE: Duration = Duration::from_secs(3600);
/// How often a client that sends nothing is asked whether it is there.
const PING: Duration = Duration::from_secs(30);

/// The close of a connection whose lease or name is over.
const CUT: (u16, &str) = (close_code::AWAY, "the connection was cut");

/// The routes.
pub fn router(app: &App) -> Router<App> {
    let routes = Router::new()
        .route("/lease/{lease}/ssh-keys", get(list).put(add).delete(remove))
        .route("/lease/{lease}/ssh", get(describe))
        .route("/lease/{lease}/proxy", get(proxy));
    limited::per_caller(routes, app)
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyQuery {
    fingerprint: Option<String>,
}

async fn list(
    session: WalletSession,
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    Path(lease): Path<String>,
) -> Response {
    let listed = async {
        let found = lease_selector::find_by_id_or_vmid(&app, &session.wallet, &lease).await?;
        Ok(keys::list(&app, &found.lease_id).await?)
    };
    private::<SshKeyList>(&id, listed.await)
}

async fn add(
    session: WalletSession,
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    Path(lease): Path<String>,
    Body(bytes): Body,
) -> Response {
    let added = async {
        let request: SshKeyRequest = body::read(&bytes, |_| Ok(()))?;
        let lease = active_lease(&app, &session.wallet, &lease).await?;
        keys::add(&app, &lease, &request.public_key).await
    };
    private::<SshKeyView>(&id, added.await)
}

async fn remove(
    session: WalletSession,
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    Path(lease): Path<String>,
    Query(query): Query<KeyQuery>,
) -> Response {
    let removed = async {
        let lease = active_lease(&app, &session.wallet, &lease).await?;
        keys::remove(&app, &lease, query.fingerprint.as_deref()).await
    };
    match removed.await {
        Ok(()) => no_store(StatusCode::NO_CONTENT.into_response()),
        Err(error) => error.respond(&id),
    }
}

async fn describe(
    session: WalletSession,
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    Path(lease): Path<String>,
) -> Response {
    let described = async {
        let lease = active_lease(&app, &session.wallet, &lease).await?;
        ssh::describe(&app, &lease).await
    };
    private::<SshAccess>(&id, described.await)
}

async fn proxy(
    session: WalletSession,
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    Path(lease): Path<String>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let opened = async {
        let lease = active_lease(&app, &session.wallet, &lease).await?;
        let upgrade = upgrade.map_err(|_| {
            let message = "This is the address of a WebSocket.";
            ApiError::new(ErrorCode::InvalidRequest, message)
        })?;
        if ssh::is_taken_down(&app, &lease.lease_id).await? {
            return Err(name::taken_down());
        }
        let allowed = ssh::still_allowed(&app, &lease.lease_id);
        let wanted = (StreamKind::Ssh, connect::SSH_PORT);
        let stream = stream::open(&app, &lease, wanted, LONGEST_IDLE, allowed).await;
        Ok::<_, ApiError>((upgrade, stream.map_err(no_stream)?))
    };
    match opened.await {
        Ok((upgrade, stream)) => upgrade
            .max_message_size(MAX_MESSAGE)
            .max_frame_size(MAX_MESSAGE)
            .on_upgrade(move |socket| {
                let key_id = session.key.map(|key| key.key_id);
                carry(app, socket, stream, key_id).in_current_span()
            }),
        Err(error) => error.respond(&id),
    }
}

fn no_stream(refused: NoStream) -> ApiError {
    match refused {
        NoStream::Full => ::guest::GuestError::TooMany.into(),
        NoStream::Over => {
            let message = "The lease has ended, or the operator has taken its name down.";
            ApiError::new(ErrorCode::LeaseConflict, message)
        }
        NoStream::Obstacle(obstacle) => crate::lease::guest::ssh_unavailable(obstacle),
        NoStream::NothingListens => crate::lease::guest::ssh_unavailable(SshObstacle::Refused),
        NoStream::Prohibited => {
            let message = "The container's SSH server forbids port forwarding.";
            ApiError::new(ErrorCode::SshUnavailable, message)
        }
    }
}

/// Carries bytes both ways until either side ends, the connection is cut, or the API key that
/// opened it is not good any more.
async fn carry(app: App, socket: WebSocket, stream: WatchedStream, key_id: Option<KeyId>) {
    let (mut to_client, mut from_client) = socket.split();
    // A client that reads nothing keeps the other direction from noticing it.
    let over = stream.over();
    let (mut from_guest, mut to_guest) = tokio::io::split(stream);
    let inward = async {
        while let Some(Ok(message)) = from_client.next().await {
            match message {
                Message::Binary(bytes) => {
                    if to_guest.write_all(&bytes).await.is_err() || to_guest.flush().await.is_err()
                    {
                        return;
                    }
                }
                // A client whose standard input has ended closes, and wants nothing more.
                Message::Close(_) | Message::Text(_) => return,
                Message::Ping(_) | Message::Pong(_) => {}
            }
        }
    };
    let outward = async {
        let mut buffer = vec![0; CHUNK];
        let mut ping = tokio::time::interval(PING);
        loop {
            let message = tokio::select! {
                read = from_guest.read(&mut buffer) => match read {
                    Ok(0) => return (close_code::NORMAL, "the connection has ended"),
                    Ok(length) => Message::Binary(Bytes::copy_from_slice(&buffer[..length])),
                    Err(_) => return CUT,
                },
                _ = ping.tick() => Message::Ping(Bytes::new()),
            };
            if to_client.send(message).await.is_err() {
                return (close_code::NORMAL, "");
            }
        }
    };
    let (code, reason) = tokio::select! {
        () = inward => (close_code::NORMAL, ""),
        told = outward => told,
        () = over => CUT,
        () = api_keys::ended(&app, key_id.as_ref()) => (close_code::POLICY, "the API key has ended"),
    };
    let reason = reason.into();
    // The client may be gone.
    let _ = to_client
        .send(Message::Close(Some(CloseFrame { code, reason })))
        .await;
}
