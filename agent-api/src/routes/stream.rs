//! A turn as server-sent events. It runs in a task that ends when the client hangs up, because
//! dropping the stream drops the task.

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
    driver::{EventSink, converse},
    limits::TurnPermit,
};

/// Shorter than the time after which proxies close silent connections.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Responds with a stream that starts at once.
pub(super) fn respond(
    app: App,
    request: ChatRequest,
    address: IpAddr,
    permit: TurnPermit,
    id: RequestId,
) -> Response {
    let (mut sink, events) = EventSink::streaming();
    let work = async move {
        // Held until the turn ends or the client hangs up.
        let _permit = permit;
        let last = match converse(&app, request, address, &mut sink).await {
            Ok(outcome) => ChatEvent::Final {
                reply: outcome.reply,
                turn_id: outcome.turn_id,
            },
            Err(error) => ChatEvent::Error {
                error: error.body(&id),
            },
        };
        sink.emit(last);
    };
    // A `JoinSet` aborts its tasks when it is dropped.
    let mut task = JoinSet::new();
    task.spawn(work.instrument(tracing::Span::current()));
    let events = stream::unfold((events, task), next);
    let heartbeat = KeepAlive::new().interval(HEARTBEAT);
    let headers = [("cache-control", "no-store"), ("x-accel-buffering", "no")];
    (headers, Sse::new(events).keep_alive(heartbeat)).into_response()
}

type RunningTurn = (UnboundedReceiver<ChatEvent>, JoinSet<()>);

async fn next((mut events, task): RunningTurn) -> Option<(Result<Event, Infallible>, RunningTurn)> {
    let event = events.recv().await?;
    let written = Event::default().event(event.name()).json_data(&event);
    // Events have string keys and finite numbers, so this fails only because of a bug.
    let written = written.unwrap_or_else(|error| {
        tracing::error!(%error, "a chat event cannot be serialised");
        Event::default().comment("an event was left out")
    });
    Some((Ok(written), (events, task)))
}
