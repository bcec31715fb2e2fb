//! Serves a console whose container's end is open, from the message that says so to its end.

use std::time::Duration;

use api_types::{ConsoleOpened, ErrorCode, OpenConsole, Secret};
use axum::extract::ws::{CloseFrame, Message};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::{
    bridge::{FromClient, ToClient, carry, expiry},
    end::ConsoleEnd,
    meter::Meter,
    stream::ConsoleStream,
    ticket::{self, ResumeTicket},
};
use crate::{
    keys,
    lease::container::locate,
    memory::consoles::Seat,
    state::App,
    store::{ConsoleTicket, Lease},
    timestamp::timestamp,
};

/// How long a client may take to answer the close frame.
const CLOSE_FRAME_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a stop that has ended a terminal may take to become the container's state.
const STOP: Duration = Duration::from_millis(500);
/// Says in the terminal that the shell is another one than before.
const NEW_SHELL: &str = "\r\nThe shell of the lost connection is gone; this is a new one.\r\n";

/// A console whose container's end is open.
pub(super) struct OpenedConsole {
    pub(super) lease: Lease,
    /// The ticket that opened it, used by now.
    pub(super) ticket: ConsoleTicket,
    /// When the lease ends, Unix seconds.
    pub(super) expires_at: i64,
    pub(super) stream: ConsoleStream,
    pub(super) seat: Seat,
    /// The client came back to another shell than it had.
    pub(super) is_new_shell: bool,
}

/// Serves it to its end. A shell whose client is lost waits for it.
pub(super) async fn serve(
    app: &App,
    mut console: OpenedConsole,
    clients: (&mut ToClient, &mut FromClient),
) -> ConsoleEnd {
    let (ticket, route) = (console.ticket.clone(), console.stream.route());
    let resume = match ResumeTicket::give(app, ticket, route, console.expires_at).await {
        Ok(resume) => resume,
        Err(error) => {
            tracing::error!(%error, "the ticket to come back with cannot be stored");
            return ConsoleEnd::HostLost;
        }
    };
    let lease_id = console.lease.lease_id.clone();
    metrics::gauge!("consoles_open").increment(1);
    app.record_event(&lease_id, "console_opened", json!({}))
        .await;
    let meter = Meter::new(app);
    let mut shell = app.parked_shells.open(&resume.hash);
    let key_id = console.ticket.key_id.clone();
    let end = tokio::select! {
        end = show_and_carry(app, &mut console, &resume, clients, &meter) => end,
        () = shell.wanted() => ConsoleEnd::TakenOver,
        () = keys::ended(app, key_id.as_ref()) => ConsoleEnd::KeyEnded,
    };
    // The container's terminal is free again from here on.
    let OpenedConsole { lease, stream, .. } = console;
    let parked = match end {
        ConsoleEnd::ClientLost | ConsoleEnd::TakenOver => stream.into_parked(&lease_id),
        _ => {
            drop(stream);
            None
        }
    };
    let end = refine_end(app, &lease, end).await;
    match parked {
        Some(parked) => {
            let keep = Duration::from_secs(ticket::RESUME_SECONDS.into());
            shell.park(parked, keep);
        }
        None => drop(shell),
    }
    metrics::gauge!("consoles_open").decrement(1);
    let data = json!({
        "reason": end.word(), "typedBytes": meter.typed(), "shownBytes": meter.shown(), "seconds": meter.seconds(),
    });
    app.record_event(&lease_id, "console_closed", data).await;
    resume.close(app, end.is_lost()).await;
    end
}

async fn show_and_carry(
    app: &App,
    console: &mut OpenedConsole,
    resume: &ResumeTicket,
    (to_client, from_client): (&mut ToClient, &mut FromClient),
    meter: &Meter,
) -> ConsoleEnd {
    let opened = ConsoleOpened {
        opened: OpenConsole {
            ctid: console.lease.vmid.get(),
            hostname: console.lease.hostname.clone(),
            expires_at: timestamp(console.expires_at),
            resume: Secret::new(resume.token.as_str()),
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
    let OpenedConsole {
        lease,
        stream,
        seat,
        ..
    } = console;
    let clients = (to_client, from_client);
    carry(app, &lease.lease_id, seat, clients, stream, meter).await
}

/// A terminal also ends because its container does. The real termproxy drops what it has not passed
/// on when the shell ends, so a stream that ends while the container runs means the same as the
/// multiplexer's last line.
async fn refine_end(app: &App, lease: &Lease, end: ConsoleEnd) -> ConsoleEnd {
    if !matches!(
        end,
        ConsoleEnd::HostLost | ConsoleEnd::StreamOver | ConsoleEnd::ShellOver
    ) {
        return end;
    }
    if let Ok(None) = expiry(app, &lease.lease_id).await {
        return ConsoleEnd::LeaseOver;
    }
    let mut looks = 0;
    loop {
        looks += 1;
        // It may have been moved meanwhile.
        let location = match locate::find(app, lease).await {
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

/// The frame that says why a console closes.
pub(super) fn close_frame(end: ConsoleEnd) -> CloseFrame {
    CloseFrame {
        code: end.code(),
        reason: end.reason().into(),
    }
}

/// Sends the close frame and waits for the client's, so that the reason is not lost with the
/// connection.
pub(super) async fn close(
    frame: CloseFrame,
    to_client: &mut ToClient,
    from_client: &mut FromClient,
) {
    let goodbye = async {
        if to_client.send(Message::Close(Some(frame))).await.is_ok() {
            while let Some(Ok(_)) = from_client.next().await {}
        }
    };
    let _ = timeout(CLOSE_FRAME_TIMEOUT, goodbye).await;
}
