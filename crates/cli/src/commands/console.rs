//! `infra402 console`: a shell in a container on this terminal, by the service's console. It works
//! where SSH does not, too.

use std::{
    io::{IsTerminal as _, stdin, stdout},
    time::Duration,
};

use api_types::{ConsoleControl, ConsoleOpening, ConsoleResponse};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::Method;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use serde_json::json;
use tokio::{
    io::AsyncWriteExt as _,
    signal::unix::{SignalKind, signal},
    time::{Instant, MissedTickBehavior, interval_at, sleep_until},
};
use tokio_tungstenite::tungstenite::Message;

use super::proxy::read_input;
use crate::{
    api::{Api, read},
    containers::{self, Container},
    failure::{ExitStatus, Failure},
    purchase::{self, Wanted},
    websocket,
};

/// The time between two signs of life.
const PING: Duration = Duration::from_secs(20);
/// What ends the shell where standard input ends, as a terminal tells it.
const END_OF_INPUT: Bytes = Bytes::from_static(b"\x04");
/// A connection that gives no sign for this long is over.
const SILENCE: Duration = Duration::from_secs(65);

pub(super) async fn run(api: &Api, named: &str) -> Result<u8, Failure> {
    if api.settings.json {
        let message = "a console is no JSON document";
        return Err(Failure::usage(message).advise("leave --json out"));
    }
    open(api, &containers::find(api, named).await?).await
}

/// Buys a console and shows it until its shell ends.
///
/// # Errors
/// It is not sold, or its connection ended in another way.
pub(super) async fn open(api: &Api, container: &Container) -> Result<u8, Failure> {
    let wanted = Wanted {
        method: Method::POST,
        path: container.by_number("/management/console", ""),
        body: Some(json!({})),
        what: "a console".to_owned(),
        announced: false,
        streamed: false,
    };
    let bought = purchase::buy(api, &wanted, &mut |_| {}).await?;
    let console: ConsoleResponse = read(&bought.body)?;
    let socket = websocket::open(api, "/console/ws").await?;
    let _raw = RawTerminal::enter();
    let (mut to_container, mut from_container) = socket.split();
    let opening = text(&ConsoleOpening {
        ticket: console.ticket,
        resize: size(),
    })?;
    to_container.send(opening).await.map_err(|_| lost())?;
    let (mut input, _) = read_input();
    let mut output = tokio::io::stdout();
    let mut resized = signal(SignalKind::window_change())
        .map_err(|error| Failure::local(format!("no signals can be had: {error}")))?;
    let mut ping = interval_at(Instant::now() + PING, PING);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut deadline = Instant::now() + SILENCE;
    let mut typing = true;
    loop {
        tokio::select! {
            typed = input.recv(), if typing => {
                typing = typed.is_some();
                let typed = typed.unwrap_or(END_OF_INPUT);
                to_container.send(Message::Binary(typed)).await.map_err(|_| lost())?;
            }
            message = from_container.next() => {
                deadline = Instant::now() + SILENCE;
                match message {
                    Some(Ok(Message::Binary(shown))) => {
                        let written = async {
                            output.write_all(&shown).await?;
                            output.flush().await
                        };
                        if written.await.is_err() {
                            return Ok(0);
                        }
                    }
                    Some(Ok(Message::Close(frame))) => return ended(frame.map(|frame| {
                        (u16::from(frame.code), frame.reason.to_string())
                    })),
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Err(lost()),
                }
            }
            Some(()) = resized.recv() => if let Some(resize) = size() {
                let resized = text(&ConsoleControl { resize })?;
                to_container.send(resized).await.map_err(|_| lost())?;
            },
            _ = ping.tick() => {
                let sign = Message::Ping(Bytes::new());
                to_container.send(sign).await.map_err(|_| lost())?;
            }
            () = sleep_until(deadline) => return Err(lost()),
        }
    }
}

/// The terminal's columns and rows, where the output is one.
fn size() -> Option<(u16, u16)> {
    let size = tcgetwinsize(stdout()).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
}

/// A terminal that passes on every key as it is, until this is dropped.
struct RawTerminal(Option<Termios>);

impl RawTerminal {
    fn enter() -> Self {
        let before = stdin().is_terminal().then(|| tcgetattr(stdin()).ok());
        let before = before.flatten();
        if let Some(before) = &before {
            let mut raw = before.clone();
            raw.make_raw();
            // A terminal that stays as it is can be used as well.
            let _ = tcsetattr(stdin(), OptionalActions::Now, &raw);
        }
        Self(before)
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = tcsetattr(stdin(), OptionalActions::Now, before);
        }
    }
}

fn text(message: &impl serde::Serialize) -> Result<Message, Failure> {
    let text = serde_json::to_string(message);
    let text = text.map_err(|error| Failure::local(error.to_string()))?;
    Ok(Message::text(text))
}

/// 1000: the shell has ended.
fn ended(close: Option<(u16, String)>) -> Result<u8, Failure> {
    match close {
        None | Some((1000 | 1005, _)) => Ok(0),
        Some((code, reason)) => {
            let message = format!("the console was closed ({code}): {reason}");
            Err(Failure::new(ExitStatus::Failed, "closed", message))
        }
    }
}

fn lost() -> Failure {
    let message = "the connection of the console was lost";
    Failure::new(ExitStatus::Unreachable, "lost", message)
}
