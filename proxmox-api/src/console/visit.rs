//! One connection: its ticket, the lease, the terminal, the bytes, and how it closed.

use std::time::Duration;

use api_types::{ConsoleOpened, ConsoleOpening, ErrorCode, OpenConsole, Secret};
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::{SinkExt as _, StreamExt as _};
use pve::terminal::ConsoleSession;
use serde_json::json;
use service::{concurrency::ConcurrencyPermit, semaphore::ResizablePermit};
use tokio::time::{sleep, timeout};

use super::{
    bridge::{FromClient, ToClient, carry, expiry, is_size},
    end::End,
    meter::Meter,
    open::Seat,
    takeover,
    ticket::{self, Resume},
};
use crate::{
    error::ApiError,
    ids::Wallet,
    lease::{
        locate::{self, Place},
        view::time,
    },
    state::App,
    store::{ConsoleTicket, Lease},
};

/// How long the first message may take. Clients have the ticket when they connect.
pub const FIRST_MESSAGE: Duration = Duration::from_secs(3);
/// How long a client may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);
/// How long a stop that has ended a terminal may take to become the container's state.
const STOP: Duration = Duration::from_millis(500);
const SIZE: (u16, u16) = (80, 24);

/// Who connects.
pub struct Visitor {
    /// The wallet that the request is signed in as, if it is.
    pub wallet: Option<Wallet>,
    /// Its place among the connections that have shown no ticket yet.
    pub unproven: ConcurrencyPermit,
}

/// Serves one connection to its end.
pub async fn visit(app: App, socket: WebSocket, visitor: Visitor) {
    let (mut to_client, mut from_client) = socket.split();
    let Visitor { wallet, unproven } = visitor;
    // One of the two places is held until the close frame is answered.
    let (end, _unproven, _room) = match enter(&app, &mut from_client, wallet).await {
        Ok((entrance, room)) => {
            drop(unproven);
            let end = stay(&app, entrance, &mut to_client, &mut from_client).await;
            (end, None, Some(room))
        }
        Err(end) => {
            tracing::info!(console.end = end.word(), "a console was not opened");
            (end, Some(unproven), None)
        }
    };
    metrics::counter!("consoles_closed_total", "reason" => end.word()).increment(1);
    close(end, &mut to_client, &mut from_client).await;
}

/// What a ticket and a lease allow.
struct Entrance {
    lease: Lease,
    place: Place,
    ticket: ConsoleTicket,
    expires_at: i64,
    size: (u16, u16),
}

async fn enter(
    app: &App,
    client: &mut FromClient,
    wallet: Option<Wallet>,
) -> Result<(Entrance, ResizablePermit), End> {
    let opening = first_message(client).await?;
    let size = opening.resize.unwrap_or(SIZE);
    if !is_size(size) {
        return Err(End::NotUnderstood);
    }
    let found = ticket::redeem(app, opening.ticket.expose()).await;
    let ticket = found.map_err(unreadable)?.ok_or(End::BadTicket)?;
    let stranger = wallet.is_some_and(|wallet| wallet != ticket.wallet);
    let lease = app
        .store
        .lease(&ticket.lease_id)
        .await
        .map_err(unreadable)?;
    let lease = lease.ok_or(End::LeaseOver)?;
    if stranger || lease.owner != ticket.wallet {
        return Err(End::NotYours);
    }
    let expires_at = expiry(app, &lease.lease_id)
        .await
        .map_err(|()| End::MachineLost)?
        .ok_or(End::LeaseOver)?;
    let Some(room) = app.consoles.room() else {
        let restored = ticket::restore(app, opening.ticket.expose()).await;
        restored.map_err(unreadable)?;
        return Err(End::Full);
    };
    let place = locate::find(app, &lease).await.map_err(unreached)?;
    let entrance = Entrance {
        lease,
        place,
        ticket,
        expires_at,
        size,
    };
    Ok((entrance, room))
}

fn unreadable(error: impl std::fmt::Display) -> End {
    tracing::error!(%error, "a console's records cannot be read");
    End::MachineLost
}

fn unreached(error: ApiError) -> End {
    if error.code == ErrorCode::LeaseEnded {
        End::LeaseOver
    } else {
        End::MachineLost
    }
}

async fn first_message(client: &mut FromClient) -> Result<ConsoleOpening, End> {
    let message = async {
        loop {
            match client.next().await {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Text(text))) => {
                    return serde_json::from_str(&text).map_err(|_| End::NotUnderstood);
                }
                Some(Ok(Message::Binary(_))) => return Err(End::NotUnderstood),
                Some(Ok(Message::Close(_))) => return Err(End::ClientLeft),
                Some(Err(_)) | None => return Err(End::ClientLost),
            }
        }
    };
    timeout(FIRST_MESSAGE, message)
        .await
        .unwrap_or(Err(End::NoTicket))
}

async fn stay(
    app: &App,
    entrance: Entrance,
    to_client: &mut ToClient,
    from_client: &mut FromClient,
) -> End {
    let lease_id = &entrance.lease.lease_id;
    let mut seat = app.consoles.take(lease_id).await;
    let opened = tokio::select! {
        opened = takeover::open(app, lease_id, &entrance.place, entrance.size) => opened,
        end = seat.pushed() => return end,
    };
    let session = match opened {
        Ok(session) => session,
        Err(error) => {
            tracing::warn!(lease.id = lease_id.as_str(), cause = %error, "a terminal cannot be opened");
            return error.into();
        }
    };
    let resume = Resume::give(app, entrance.ticket.clone(), entrance.expires_at).await;
    let resume = match resume {
        Ok(resume) => resume,
        Err(error) => return unreadable(error),
    };
    metrics::gauge!("consoles_open").increment(1);
    app.record_event(lease_id, "console_opened", json!({}))
        .await;
    let meter = Meter::new(app);
    let clients = (to_client, from_client);
    let end = serve(app, &entrance, &mut seat, &resume, clients, session, &meter).await;
    let end = why(app, &entrance, end).await;
    metrics::gauge!("consoles_open").decrement(1);
    let data = json!({
        "reason": end.word(), "typedBytes": meter.typed(), "shownBytes": meter.shown(), "seconds": meter.seconds(),
    });
    app.record_event(lease_id, "console_closed", data).await;
    resume.close(app, end.is_lost()).await;
    end
}

/// The terminal is free again when this returns.
async fn serve(
    app: &App,
    entrance: &Entrance,
    seat: &mut Seat,
    resume: &Resume,
    (to_client, from_client): (&mut ToClient, &mut FromClient),
    session: ConsoleSession,
    meter: &Meter,
) -> End {
    let opened = ConsoleOpened {
        opened: OpenConsole {
            ctid: entrance.lease.vmid.get(),
            hostname: entrance.lease.hostname.clone(),
            expires_at: time(entrance.expires_at),
            resume: Secret::new(resume.token.as_str()),
        },
    };
    let text = serde_json::to_string(&opened).expect("it consists of texts and numbers");
    if to_client.send(Message::Text(text.into())).await.is_err() {
        return End::ClientLost;
    }
    let ConsoleSession { terminal, guard } = session;
    let clients = (to_client, from_client);
    let lease_id = &entrance.lease.lease_id;
    let end = carry(app, lease_id, seat, clients, terminal, meter).await;
    drop(guard);
    end
}

/// A terminal also ends because its container does. The real termproxy drops what it has not passed
/// on when the shell ends, so a stream that ends while the container runs means the same as the
/// multiplexer's last line.
async fn why(app: &App, entrance: &Entrance, end: End) -> End {
    if !matches!(end, End::MachineLost | End::StreamOver | End::ShellOver) {
        return end;
    }
    if let Ok(None) = expiry(app, &entrance.lease.lease_id).await {
        return End::LeaseOver;
    }
    let mut looks = 0;
    loop {
        looks += 1;
        // It may have been moved meanwhile.
        let place = match locate::find(app, &entrance.lease).await {
            Ok(place) => place,
            Err(error) if error.code == ErrorCode::LeaseEnded => return End::LeaseOver,
            Err(_) if end == End::StreamOver => return End::MachineLost,
            Err(_) => return end,
        };
        let client = &app.proxmox.client;
        match client.container(&place.node, place.vmid).await {
            Ok(container) if !container.is_running() => return End::NotRunning,
            // A stop ends the processes before it is the container's state.
            Ok(_) if looks < 2 && end != End::MachineLost => sleep(STOP).await,
            Ok(_) if end == End::StreamOver => return End::ShellOver,
            Err(_) if end == End::StreamOver => return End::MachineLost,
            _ => return end,
        }
    }
}

/// Says why, and lets the client answer, so that the close frame is not lost with the connection.
async fn close(end: End, to_client: &mut ToClient, from_client: &mut FromClient) {
    let frame = CloseFrame {
        code: end.code(),
        reason: end.reason().into(),
    };
    let goodbye = async {
        if to_client.send(Message::Close(Some(frame))).await.is_ok() {
            while let Some(Ok(_)) = from_client.next().await {}
        }
    };
    let _ = timeout(GOODBYE, goodbye).await;
}
