//! The bytes between a WebSocket and a terminal. Each direction waits for its reader, so nothing
//! piles up here: a browser that does not read holds up the container's terminal, and a program
//! that does not read holds up the typing.

use std::time::Duration;

use api_types::ConsoleControl;
use axum::extract::ws::{Message, WebSocket, close_code};
use bytes::Bytes;
use futures_util::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::{
    MAX_FRAME,
    end::ConsoleEnd,
    meter::Meter,
    stream::{ConsoleReader, ConsoleStream, ConsoleWriter},
};
use crate::{ids::LeaseId, memory::consoles::Seat, state::App, store::LeaseState};

/// Between two pings to the client and to the machines, which give up after five quiet minutes.
pub(super) const PING: Duration = Duration::from_secs(20);
/// A client that has not answered for so long is gone.
pub(super) const DEAD: Duration = Duration::from_secs(60);
/// A client that takes nothing for so long is gone.
pub(super) const SEND: Duration = Duration::from_secs(60);

/// A client's two ends.
pub(super) type ToClient = SplitSink<WebSocket, Message>;
pub(super) type FromClient = SplitStream<WebSocket>;

/// Carries bytes until there is a reason to stop. The stream stays whole, for a client that comes
/// back.
pub(super) async fn carry(
    app: &App,
    lease_id: &LeaseId,
    seat: &mut Seat,
    (to_client, from_client): (&mut ToClient, &mut FromClient),
    stream: &mut ConsoleStream,
    meter: &Meter,
) -> ConsoleEnd {
    let (reader, writer) = (&mut stream.reader, &stream.writer);
    let max_bytes = app.config.console.max_bytes;
    tokio::select! {
        end = show(reader, writer, to_client, meter, max_bytes) => end,
        end = take(from_client, writer, meter) => end,
        end = watch(app, lease_id, meter) => end,
        loss = seat.pushed() => loss.into(),
    }
}

/// From the terminal to the client.
async fn show(
    container: &mut ConsoleReader,
    writer: &ConsoleWriter,
    client: &mut ToClient,
    meter: &Meter,
    max_bytes: u64,
) -> ConsoleEnd {
    let mut pings = interval(PING);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let (message, is_shown) = tokio::select! {
            read = container.read() => match read {
                Ok(bytes) => {
                    meter.show_bytes(bytes.len());
                    (Message::Binary(bytes), true)
                }
                Err(end) => return end,
            },
            _ = pings.tick() => {
                if meter.silence() > DEAD {
                    return ConsoleEnd::ClientLost;
                }
                // Behind what is typed and not yet taken a sign of life is of no use.
                let _ = timeout(Duration::from_secs(1), writer.ping()).await;
                (Message::Ping(Bytes::new()), false)
            }
        };
        match timeout(SEND, client.send(message)).await {
            Ok(Ok(())) if meter.is_over(max_bytes) => return ConsoleEnd::TooMuch,
            Ok(Ok(())) if is_shown => container.sent(),
            Ok(Ok(())) => {}
            _ => return ConsoleEnd::ClientLost,
        }
    }
}

/// From the client to the terminal.
async fn take(client: &mut FromClient, container: &ConsoleWriter, meter: &Meter) -> ConsoleEnd {
    let mut typing = container.typing();
    while let Some(Ok(message)) = client.next().await {
        meter.hear();
        let done = match message {
            Message::Binary(bytes) if bytes.len() > MAX_FRAME => return ConsoleEnd::FrameTooLarge,
            Message::Binary(bytes) => {
                meter.type_bytes(bytes.len());
                meter.hold_back(true);
                let done = typing.write(bytes).await;
                meter.hold_back(false);
                done
            }
            Message::Text(text) => match serde_json::from_str::<ConsoleControl>(&text) {
                Ok(control) if is_size(control.resize) => {
                    let (columns, rows) = control.resize;
                    container.resize(columns, rows).await
                }
                _ => return ConsoleEnd::NotUnderstood,
            },
            Message::Close(Some(frame)) if frame.code != close_code::NORMAL => {
                // A page that is left or reloaded may come back.
                return ConsoleEnd::ClientLost;
            }
            Message::Close(_) => return ConsoleEnd::ClientLeft,
            Message::Ping(_) | Message::Pong(_) => Ok(()),
        };
        if let Err(end) = done {
            return end;
        }
    }
    ConsoleEnd::ClientLost
}

/// Whether a terminal can have this size.
pub(super) fn is_size((columns, rows): (u16, u16)) -> bool {
    (1..=1000).contains(&columns) && (1..=1000).contains(&rows)
}

/// Waits for the end of the lease, which a renewal moves, and for the console to be idle.
async fn watch(app: &App, lease_id: &LeaseId, meter: &Meter) -> ConsoleEnd {
    let idle = u64::try_from(app.config.console.idle.as_millis()).unwrap_or(u64::MAX);
    loop {
        let expires_at = match expiry(app, lease_id).await {
            Ok(Some(expires_at)) => expires_at,
            Ok(None) => return ConsoleEnd::LeaseOver,
            Err(()) => app.now() + 5,
        };
        let lease_end = u64::try_from(expires_at).unwrap_or(0).saturating_mul(1000);
        let idle_end = meter.last_active().saturating_add(idle);
        meter.clock().sleep_until(lease_end.min(idle_end)).await;
        let now = meter.clock().unix_millis();
        if now < lease_end && now >= meter.last_active().saturating_add(idle) {
            return ConsoleEnd::Idle;
        }
    }
}

/// When the lease ends; nothing if it is over.
pub(super) async fn expiry(app: &App, lease_id: &LeaseId) -> Result<Option<i64>, ()> {
    match app.store.lease(lease_id).await {
        Ok(lease) => Ok(lease
            .filter(|lease| lease.state == LeaseState::Active)
            .and_then(|lease| lease.expires_at)
            .filter(|end| *end > app.now())),
        Err(error) => {
            tracing::error!(%error, "the lease of a console cannot be read");
            Err(())
        }
    }
}
