//! A turn as server-sent events. The work is a task that ends when the client hangs up: dropping the stream drops the task.

use std::{convert::Infallible, net::IpAddr, time::Duration};

use api_types::{ChatEvent, ChatRequest};
use axum::response::{
    IntoResponse, Response, Sse,
    sse::{Event, KeepAlive},
};
use futures_util::stream;
use service::request_id::RequestId;
use tokio::{sync::mpsc::UnboundedReceiver, task::JoinSet};
use tracing::Instrument as _;

use crate::{
    App,
    driver::{Stage, converse},
    limits::Seat,
};

/// Proxies close connections that are silent for longer.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Answers with a stream that begins at once.
pub(super) fn respond(
    app: App,
    request: ChatRequest,
    address: IpAddr,
    seat: Seat,
    id: RequestId,
) -> Response {
    let (mut stage, events) = Stage::listened();
    let work = async move {
        // Taken until the turn is over, or the client hangs up.
        let _seat = seat;
        let last = match converse(&app, request, address, &mut stage).await {
            Ok(outcome) => ChatEvent::Final {
                reply: outcome.reply,
                turn_id: outcome.turn_id,
            },
            Err(error) => ChatEvent::Error {
                error: error.body(&id),
            },
        };
        stage.happened(last);
    };
    // A set, because its tasks end with it.
    let mut task = JoinSet::new();
    task.spawn(work.instrument(tracing::Span::current()));
    let events = stream::unfold((events, task), next);
    let heartbeat = KeepAlive::new().interval(HEARTBEAT);
    let headers = [("cache-control", "no-store"), ("x-accel-buffering", "no")];
    (headers, Sse::new(events).keep_alive(heartbeat)).into_response()
}

type Working = (UnboundedReceiver<ChatEvent>, JoinSet<()>);

async fn next((mut events, task): Working) -> Option<(Result<Event, Infallible>, Working)> {
    let event = events.recv().await?;
    let written = Event::default().event(event.name()).json_data(&event);
    // Events have string keys and finite numbers; what cannot be written would be a fault of ours.
    let written = written.unwrap_or_else(|error| {
        tracing::error!(%error, "an event cannot be written");
        Event::default().comment("an event was left out")
    });
    Some((Ok(written), (events, task)))
}
