//! Serves one connection: checks its ticket and lease, finds its shell or opens one, here or at the
//! replica that has it, and closes.

use std::time::Duration;

use ::guest::{Guest, GuestError, ShellRequest};
use api_types::{ConsoleOpening, ErrorCode, GuestRoute, Secret};
use axum::extract::ws::{Message, WebSocket};
use futures_util::StreamExt as _;
use service::{concurrency::ConcurrencyPermit, crypto, semaphore::ResizablePermit};
use tokio::time::timeout;

use super::{
    bridge::{FromClient, ToClient, expiry, is_size},
    end::ConsoleEnd,
    hand_over::HandOver,
    relay::{self, Reached, RelayEnd},
    serving::{OpenedConsole, close, close_frame, serve},
    stream::ConsoleStream,
    takeover, ticket,
};
use crate::{
    error::ApiError,
    ids::Wallet,
    keys,
    lease::{container::locate, guest::connect},
    memory::{locations::ContainerLocation, parked_shells::ParkedShell},
    state::App,
    store::{ConsoleTicket, Lease},
};

/// How long the first message may take. Clients have the ticket when they connect.
pub const FIRST_MESSAGE: Duration = Duration::from_secs(3);
const DEFAULT_SIZE: (u16, u16) = (80, 24);

/// A connection that has shown no ticket yet.
pub struct ConsoleVisitor {
    /// The wallet that the request is signed in as, if it is.
    pub wallet: Option<Wallet>,
    /// Its permit among the connections that have shown no ticket yet.
    pub unproven: ConcurrencyPermit,
}

/// Serves one connection to its end.
pub async fn visit(app: App, socket: WebSocket, visitor: ConsoleVisitor) {
    let (mut to_client, mut from_client) = socket.split();
    let ConsoleVisitor { wallet, unproven } = visitor;
    // One of the two permits is held until the close frame is answered.
    let (end, _unproven, _room) = match enter(&app, &mut from_client, wallet).await {
        Ok((entrance, room)) => {
            drop(unproven);
            let clients = (&mut to_client, &mut from_client);
            let end = serve_admitted(&app, entrance, clients).await;
            (end, None, Some(room))
        }
        Err(end) => {
            tracing::info!(console.end = end.word(), "the console was not opened");
            (RelayEnd::Here(end), Some(unproven), None)
        }
    };
    let frame = match end {
        RelayEnd::Here(end) => {
            metrics::counter!("consoles_closed_total", "reason" => end.word()).increment(1);
            close_frame(end)
        }
        RelayEnd::Owner(frame) => frame,
    };
    close(frame, &mut to_client, &mut from_client).await;
}

/// Serves a console by the replica that has its shell: another one, or this one.
async fn serve_admitted(
    app: &App,
    entrance: AdmittedVisit,
    (to_client, from_client): (&mut ToClient, &mut FromClient),
) -> RelayEnd {
    if let Some(owner) = &entrance.owner {
        let lease_id = &entrance.lease.lease_id;
        let hand_over = HandOver::new(app, owner, entrance.token.expose(), lease_id, entrance.size);
        match relay::reach(app, &hand_over).await {
            Reached::Shell(relay) => {
                let seat = app.consoles.take_own(lease_id).await;
                let key_id = entrance.ticket.key_id.clone();
                return tokio::select! {
                    end = relay.carry(app, seat, (to_client, from_client)) => end,
                    () = keys::ended(app, key_id.as_ref()) => RelayEnd::Here(ConsoleEnd::KeyEnded),
                };
            }
            Reached::Full => return RelayEnd::Here(full(app, &entrance.token).await),
            Reached::Nothing => {}
        }
    }
    RelayEnd::Here(run_console(app, entrance, to_client, from_client).await)
}

/// A connection whose ticket and lease are good.
struct AdmittedVisit {
    lease: Lease,
    location: ContainerLocation,
    ticket: ConsoleTicket,
    /// The text of the ticket, for a console that cannot be opened.
    token: Secret,
    /// The shell of the connection before, if this one resumes it and it is still there.
    parked: Option<ParkedShell>,
    /// The other replica that had the shell.
    owner: Option<String>,
    /// The way that the console had which this one resumes.
    resumed: Option<GuestRoute>,
    expires_at: i64,
    size: (u16, u16),
}

async fn enter(
    app: &App,
    client: &mut FromClient,
    wallet: Option<Wallet>,
) -> Result<(AdmittedVisit, ResizablePermit), ConsoleEnd> {
    let opening = first_message(client).await?;
    let size = opening.resize.unwrap_or(DEFAULT_SIZE);
    if !is_size(size) {
        return Err(ConsoleEnd::NotUnderstood);
    }
    let found = ticket::redeem(app, opening.ticket.expose()).await;
    let ticket = found.map_err(unreadable)?.ok_or(ConsoleEnd::BadTicket)?;
    let stranger = wallet.is_some_and(|wallet| wallet != ticket.wallet);
    let lease = app
        .store
        .lease(&ticket.lease_id)
        .await
        .map_err(unreadable)?;
    let lease = lease.ok_or(ConsoleEnd::LeaseOver)?;
    if stranger || lease.owner != ticket.wallet {
        return Err(ConsoleEnd::NotYours);
    }
    if let Some(key_id) = &ticket.key_id
        && !keys::is_good(app, key_id).await.map_err(unreadable)?
    {
        return Err(ConsoleEnd::KeyEnded);
    }
    let expires_at = expiry(app, &lease.lease_id)
        .await
        .map_err(|()| ConsoleEnd::HostLost)?
        .ok_or(ConsoleEnd::LeaseOver)?;
    let Some(room) = app.consoles.room_for(&lease.lease_id) else {
        return Err(full(app, &opening.ticket).await);
    };
    let location = locate::find(app, &lease).await.map_err(unreached)?;
    let token = opening.ticket;
    let owner = ticket::owner(token.expose()).map(str::to_owned);
    let parked = match &owner {
        Some(id) if *id == app.replica.id => {
            let hash = crypto::sha256_hex(token.expose());
            app.parked_shells.take(&hash).await
        }
        _ => None,
    };
    let entrance = AdmittedVisit {
        lease,
        location,
        ticket,
        parked,
        owner: owner.filter(|id| *id != app.replica.id),
        resumed: ticket::resumed_route(token.expose()),
        token,
        expires_at,
        size,
    };
    Ok((entrance, room))
}

/// As many are open as may be. No console was opened, so the ticket is good for another try.
async fn full(app: &App, token: &Secret) -> ConsoleEnd {
    match ticket::restore(app, token.expose()).await {
        Ok(()) => ConsoleEnd::Full,
        Err(error) => unreadable(error),
    }
}

fn unreadable(error: impl std::fmt::Display) -> ConsoleEnd {
    tracing::error!(%error, "the records of a console cannot be read");
    ConsoleEnd::HostLost
}

fn unreached(error: ApiError) -> ConsoleEnd {
    if error.code == ErrorCode::LeaseEnded {
        ConsoleEnd::LeaseOver
    } else {
        ConsoleEnd::HostLost
    }
}

async fn first_message(client: &mut FromClient) -> Result<ConsoleOpening, ConsoleEnd> {
    let message = async {
        loop {
            match client.next().await {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Text(text))) => {
                    return serde_json::from_str(&text).map_err(|_| ConsoleEnd::NotUnderstood);
                }
                Some(Ok(Message::Binary(_))) => return Err(ConsoleEnd::NotUnderstood),
                Some(Ok(Message::Close(_))) => return Err(ConsoleEnd::ClientLeft),
                Some(Err(_)) | None => return Err(ConsoleEnd::ClientLost),
            }
        }
    };
    timeout(FIRST_MESSAGE, message)
        .await
        .unwrap_or(Err(ConsoleEnd::NoTicket))
}

/// The container's end of the console: the parked shell, or a new one over SSH, or else the
/// container's terminal.
async fn open_stream(
    app: &App,
    entrance: &AdmittedVisit,
    guest: Option<&Guest>,
) -> Result<ConsoleStream, ConsoleEnd> {
    let (cols, rows) = entrance.size;
    if let Some(guest) = guest {
        let request = ShellRequest {
            cols,
            rows,
            ..ShellRequest::default()
        };
        match guest.open_shell(&request).await {
            Ok(shell) => return Ok(shell.into()),
            Err(GuestError::TooMany) => return Err(full(app, &entrance.token).await),
            Err(error) => {
                tracing::warn!(lease.id = entrance.lease.lease_id.as_str(), %error, "no shell can be opened over SSH; the terminal is used");
            }
        }
    }
    let lease_id = &entrance.lease.lease_id;
    let opened = takeover::open(app, lease_id, &entrance.location, entrance.size).await;
    opened.map(ConsoleStream::from).map_err(|error| {
        tracing::warn!(lease.id = lease_id.as_str(), error = %error, "the terminal of a console cannot be opened");
        error.into()
    })
}

async fn run_console(
    app: &App,
    mut entrance: AdmittedVisit,
    to_client: &mut ToClient,
    from_client: &mut FromClient,
) -> ConsoleEnd {
    let lease_id = &entrance.lease.lease_id;
    let parked = match entrance.parked.take().map(ConsoleStream::from) {
        Some(stream) => {
            let (cols, rows) = entrance.size;
            // A shell whose connection was lost meanwhile is no reason to refuse a new one.
            let resized = stream.writer.resize(cols, rows).await;
            resized.is_ok().then_some(stream)
        }
        None => None,
    };
    let guest = match parked {
        Some(_) => None,
        None => connect::ssh_for_console(app, &entrance.lease).await.ok(),
    };
    let mut seat = match parked.is_some() || guest.is_some() {
        true => app.consoles.take_own(lease_id).await,
        false => app.consoles.take(lease_id).await,
    };
    let is_parked = parked.is_some();
    let opened = match parked {
        Some(stream) => Ok(stream),
        None => tokio::select! {
            opened = open_stream(app, &entrance, guest.as_ref()) => opened,
            loss = seat.pushed() => return loss.into(),
        },
    };
    let stream = match opened {
        Ok(stream) => stream,
        Err(end) => return end,
    };
    // In the terminal the session is always the same.
    let is_new_shell = match entrance.resumed {
        None => false,
        Some(GuestRoute::Ssh) => !is_parked,
        Some(GuestRoute::Terminal) => stream.route() == GuestRoute::Ssh,
    };
    let console = OpenedConsole {
        lease: entrance.lease,
        ticket: entrance.ticket,
        expires_at: entrance.expires_at,
        stream,
        seat,
        is_new_shell,
    };
    serve(app, console, (to_client, from_client)).await
}
