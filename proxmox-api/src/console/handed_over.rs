//! Serves a console that another replica leads to its shell here. That replica has admitted the
//! client and used its ticket up; the lease and the room are looked at once more.

use axum::extract::ws::WebSocket;
use futures_util::StreamExt as _;

use super::{
    bridge::expiry,
    end::ConsoleEnd,
    hand_over::HandOver,
    serving::{OpenedConsole, close, close_frame, serve},
    stream::ConsoleStream,
};
use crate::{state::App, store::ConsoleTicket};

/// Serves the connection to its end.
pub async fn visit_handed_over(app: App, socket: WebSocket, asked: HandOver) {
    let (mut to_client, mut from_client) = socket.split();
    let Some(_room) = app.consoles.room_for(&asked.lease_id) else {
        return close(
            close_frame(ConsoleEnd::Full),
            &mut to_client,
            &mut from_client,
        )
        .await;
    };
    let end = match open(&app, &asked).await {
        Ok(console) => {
            let end = serve(&app, console, (&mut to_client, &mut from_client)).await;
            metrics::counter!("consoles_closed_total", "reason" => end.word()).increment(1);
            end
        }
        // The other replica goes on without the shell.
        Err(end) => end,
    };
    close(close_frame(end), &mut to_client, &mut from_client).await;
}

async fn open(app: &App, asked: &HandOver) -> Result<OpenedConsole, ConsoleEnd> {
    let lease = app.store.lease(&asked.lease_id).await.ok().flatten();
    let lease = lease.ok_or(ConsoleEnd::LeaseOver)?;
    let expires_at = expiry(app, &lease.lease_id).await;
    let expires_at = expires_at.map_err(|()| ConsoleEnd::HostLost)?;
    let expires_at = expires_at.ok_or(ConsoleEnd::LeaseOver)?;
    let shell = app.parked_shells.take(&asked.ticket_hash).await;
    let shell = shell.filter(|shell| shell.lease_id == lease.lease_id);
    let stream = ConsoleStream::from(shell.ok_or(ConsoleEnd::BadTicket)?);
    let (columns, rows) = asked.size;
    stream.writer.resize(columns, rows).await?;
    let key_id = app.store.console_ticket_key(&asked.ticket_hash).await;
    let ticket = ConsoleTicket {
        lease_id: lease.lease_id.clone(),
        wallet: lease.owner.clone(),
        key_id: key_id.map_err(|_| ConsoleEnd::HostLost)?,
    };
    Ok(OpenedConsole {
        seat: app.consoles.take_own(&lease.lease_id).await,
        lease,
        ticket,
        expires_at,
        stream,
        is_new_shell: false,
    })
}
