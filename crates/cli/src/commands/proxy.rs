//! `infra402 proxy`: standard input and output as a connection to a container's SSH server, for
//! ssh's `ProxyCommand`. Standard output carries the connection's bytes and nothing else.

use std::{io::Read as _, thread, time::Duration};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    io::AsyncWriteExt as _,
    sync::{mpsc, oneshot},
    time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout},
};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    api::Api,
    containers::{self, LONGEST_START},
    failure::{ExitStatus, Failure},
    websocket,
};

/// How long the connection may take to come about, beside the start of a new container.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// The time between two signs of life.
const PING: Duration = Duration::from_secs(20);
/// A connection that gives no sign for this long is over.
const SILENCE: Duration = Duration::from_secs(65);
/// How long the other end may take to say that it has closed.
const CLOSING: Duration = Duration::from_secs(2);
const PIECE: usize = 32 * 1024;

pub(super) async fn run(api: &Api, named: &str) -> Result<u8, Failure> {
    if api.settings.json {
        let message = "a connection is no JSON document";
        return Err(Failure::usage(message).advise("leave --json out"));
    }
    let (mut input, mut end_of_input) = read_input();
    let connect = async {
        let container = containers::find_for_ssh(api, named).await?;
        websocket::open(api, &container.below("proxy")).await
    };
    let socket = tokio::select! {
        connected = timeout(CONNECT_TIMEOUT + LONGEST_START, connect) => connected.map_err(|_| too_late())??,
        // ssh has ended, and needs no connection.
        _ = &mut end_of_input => return Ok(0),
    };
    let (mut to_container, mut from_container) = socket.split();
    let mut output = tokio::io::stdout();
    let mut ping = interval_at(Instant::now() + PING, PING);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut deadline = Instant::now() + SILENCE;
    let mut closing = false;
    loop {
        tokio::select! {
            piece = input.recv(), if !closing => match piece {
                Some(piece) => to_container.send(Message::Binary(piece)).await.map_err(|_| lost())?,
                None => {
                    let _ = to_container.send(Message::Close(None)).await;
                    closing = true;
                    deadline = Instant::now() + CLOSING;
                }
            },
            message = from_container.next() => match message {
                Some(Ok(Message::Binary(bytes))) => {
                    let written = async {
                        output.write_all(&bytes).await?;
                        output.flush().await
                    };
                    if written.await.is_err() {
                        return Ok(0);
                    }
                    if !closing {
                        deadline = Instant::now() + SILENCE;
                    }
                }
                Some(Ok(Message::Close(frame))) => return ended(frame.map(|frame| {
                    (u16::from(frame.code), frame.reason.to_string())
                })),
                Some(Ok(_)) => if !closing {
                    deadline = Instant::now() + SILENCE;
                },
                Some(Err(_)) if !closing => return Err(lost()),
                Some(Err(_)) | None => return Ok(0),
            },
            _ = ping.tick(), if !closing => {
                let sign = Message::Ping(Bytes::new());
                to_container.send(sign).await.map_err(|_| lost())?;
            }
            () = sleep_until(deadline) => match closing {
                true => return Ok(0),
                false => return Err(lost()),
            },
        }
    }
}

/// Reads standard input on a thread of its own. The second receiver gets its end at once, even while
/// the first one still has input to be sent.
pub(super) fn read_input() -> (mpsc::Receiver<Bytes>, oneshot::Receiver<()>) {
    let (pieces, input) = mpsc::channel(16);
    let (end, end_of_input) = oneshot::channel();
    thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        let mut piece = vec![0; PIECE];
        while let Ok(length @ 1..) = stdin.read(&mut piece) {
            let piece = Bytes::copy_from_slice(&piece[..length]);
            if pieces.blocking_send(piece).is_err() {
                break;
            }
        }
        // It fails if the connection has ended, which needs no further end.
        let _ = end.send(());
    });
    (input, end_of_input)
}

/// 1000 and 1001 are ordinary ends: the server in the container has closed, or the service stops.
fn ended(close: Option<(u16, String)>) -> Result<u8, Failure> {
    match close {
        None | Some((1000 | 1001 | 1005, _)) => Ok(0),
        Some((code, reason)) => {
            let message = format!("the service ended the connection ({code}): {reason}");
            Err(Failure::new(ExitStatus::Failed, "closed", message))
        }
    }
}

fn too_late() -> Failure {
    let message = "the connection did not come about in time";
    Failure::new(ExitStatus::Unreachable, "timeout", message)
}

fn lost() -> Failure {
    Failure::new(ExitStatus::Unreachable, "lost", "the connection was lost")
}
