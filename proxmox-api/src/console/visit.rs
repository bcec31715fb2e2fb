//! Serves one connection: checks its ticket and lease, opens the terminal, copies bytes, closes.

use std::time::Duration;

use ::guest::{Guest, GuestError, ShellRequest};
use api_types::{ConsoleOpened, ConsoleOpening, ErrorCode, GuestRoute, OpenConsole, Secret};
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use service::{concurrency::ConcurrencyPermit, crypto, semaphore::ResizablePermit};
use tokio::time::{sleep, timeout};

use super::{
    bridge::{FromClient, ToClient, carry, expiry, is_size},
    end::ConsoleEnd,
    meter::Meter,
    stream::ConsoleStream,
    takeover,
    ticket::{self, ResumeTicket},
};
use crate::{
    error::ApiError,
    ids::Wallet,
    lease::{container::locate, guest::connect},
    memory::{consoles::Seat, locations::ContainerLocation, parked_shells::ParkedShell},
    state::App,
    store::{ConsoleTicket, Lease},
    timestamp::timestamp,
};

/// How long the first message may take. Clients have the ticket when they connect.
pub const FIRST_MESSAGE: Duration = Duration::from_secs(3);
/// How long a client may take to answer the close frame.
const CLOSE_FRAME_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a stop that has ended a terminal may take to become the container's state.
const STOP: Duration = Duration::from_millis(500);
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
            let end = run_console(&app, entrance, &mut to_client, &mut from_client).await;
            (end, None, Some(room))
        }
        Err(end) => {
            tracing::info!(console.end = end.word(), "the console was not opened");
            (end, Some(unproven), None)
        }
    };
    metrics::counter!("consoles_closed_total", "reason" => end.word()).increment(1);
    close(end, &mut to_client, &mut from_client).await;
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
    let expires_at = expiry(app, &lease.lease_id)
        .await
        .map_err(|()| ConsoleEnd::HostLost)?
        .ok_or(ConsoleEnd::LeaseOver)?;
    let room = match app.consoles.has_room_for(&lease.lease_id) {
        true => app.consoles.room(),
        false => None,
    };
    let Some(room) = room else {
        return Err(full(app, &opening.ticket).await);
    };
    let location = locate::find(app, &lease).await.map_err(unreached)?;
    let token = opening.ticket;
    let entrance = AdmittedVisit {
        lease,
        location,
        ticket,
        parked: app.parked_shells.take(&crypto::sha256_hex(token.expose())),
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

/// Says in the terminal that the shell is another one than before.
const NEW_SHELL: &str = "\r\nThe shell of the lost connection is gone; this is a new one.\r\n";

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
        None => connect::ssh(app, &entrance.lease).await.ok(),
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
    let mut stream = match opened {
        Ok(stream) => stream,
        Err(end) => return end,
    };
    let route = stream.route();
    // In the terminal the session is always the same.
    let is_new_shell = match entrance.resumed {
        None => false,
        Some(GuestRoute::Ssh) => !is_parked,
        Some(GuestRoute::Terminal) => route == GuestRoute::Ssh,
    };
    let (ticket, until) = (entrance.ticket.clone(), entrance.expires_at);
    let resume = ResumeTicket::give(app, ticket, route, until).await;
    let resume = match resume {
        Ok(resume) => resume,
        Err(error) => return unreadable(error),
    };
    metrics::gauge!("consoles_open").increment(1);
    app.record_event(lease_id, "console_opened", json!({}))
        .await;
    let meter = Meter::new(app);
    let clients = (to_client, from_client);
    let opened = OpenedConsole {
        stream: &mut stream,
        seat: &mut seat,
        resume: &resume,
        is_new_shell,
    };
    let end = serve(app, &entrance, opened, clients, &meter).await;
    // The container's terminal is free again from here on.
    let shell = match end {
        ConsoleEnd::ClientLost => stream.into_parked(lease_id),
        _ => {
            drop(stream);
            None
        }
    };
    let end = refine_end(app, &entrance, end).await;
    if let Some(shell) = shell {
        let keep = Duration::from_secs(ticket::RESUME_SECONDS.into());
        app.parked_shells.park(&resume.hash, shell, keep);
    }
    metrics::gauge!("consoles_open").decrement(1);
    let data = json!({
        "reason": end.word(), "typedBytes": meter.typed(), "shownBytes": meter.shown(), "seconds": meter.seconds(),
    });
    app.record_event(lease_id, "console_closed", data).await;
    resume.close(app, end.is_lost()).await;
    end
}

/// A console whose container's end is open.
struct OpenedConsole<'a> {
    stream: &'a mut ConsoleStream,
    seat: &'a mut Seat,
    resume: &'a ResumeTicket,
    /// The client came back to another shell than it had.
    is_new_shell: bool,
}

async fn serve(
    app: &App,
    entrance: &AdmittedVisit,
    console: OpenedConsole<'_>,
    (to_client, from_client): (&mut ToClient, &mut FromClient),
    meter: &Meter,
) -> ConsoleEnd {
    let opened = ConsoleOpened {
        opened: OpenConsole {
            ctid: entrance.lease.vmid.get(),
            hostname: entrance.lease.hostname.clone(),
            expires_at: timestamp(entrance.expires_at),
            resume: Secret::new(console.resume.token.as_str()),
            via: Some(console.stream.route()),
        },
    };
    let text = serde_json::to_string(&opened).expect("it consists of texts and numbers");
    if to_client.send(Message::Text(text.into())).await.is_err() {
        return ConsoleEnd::ClientLost;
    }
    if console.is_new_shell {
        let told = Message::Binary(NEW_SHELL.into());
        if to_client.send(told).await.is_err() {
            return ConsoleEnd::ClientLost;
        }
    }
    let clients = (to_client, from_client);
    let lease_id = &entrance.lease.lease_id;
    carry(app, lease_id, console.seat, clients, console.stream, meter).await
}

/// A terminal also ends because its container does. The real termproxy drops what it has not passed
/// on when the shell ends, so a stream that ends while the container runs means the same as the
/// multiplexer's last line.
async fn refine_end(app: &App, entrance: &AdmittedVisit, end: ConsoleEnd) -> ConsoleEnd {
    if !matches!(
        end,
        ConsoleEnd::HostLost | ConsoleEnd::StreamOver | ConsoleEnd::ShellOver
    ) {
        return end;
    }
    if let Ok(None) = expiry(app, &entrance.lease.lease_id).await {
        return ConsoleEnd::LeaseOver;
    }
    let mut looks = 0;
    loop {
        looks += 1;
        // It may have been moved meanwhile.
        let location = match locate::find(app, &entrance.lease).await {
            Ok(location) => location,
            Err(error) if error.code == ErrorCode::LeaseEnded => return ConsoleEnd::LeaseOver,
            Err(_) if end == ConsoleEnd::StreamOver => return ConsoleEnd::HostLost,
            Err(_) => return end,
        };
        let client = &app.proxmox.client;
        match client.container(&location.node, location.vmid).await {
            Ok(container) if !container.is_running() => return ConsoleEnd::NotRunning,
            // A stop ends the processes before it is the container's state.
            Ok(_) if looks < 2 && end != ConsoleEnd::HostLost => sleep(STOP).await,
            Ok(_) if end == ConsoleEnd::StreamOver => return ConsoleEnd::ShellOver,
            Err(_) if end == ConsoleEnd::StreamOver => return ConsoleEnd::HostLost,
            _ => return end,
        }
    }
}

/// Sends the close frame and waits for the client's, so that the reason is not lost with the
/// connection.
async fn close(end: ConsoleEnd, to_client: &mut ToClient, from_client: &mut FromClient) {
    let frame = CloseFrame {
        code: end.code(),
        reason: end.reason().into(),
    };
    let goodbye = async {
        if to_client.send(Message::Close(Some(frame))).await.is_ok() {
            while let Some(Ok(_)) = from_client.next().await {}
        }
    };
    let _ = timeout(CLOSE_FRAME_TIMEOUT, goodbye).await;
}
