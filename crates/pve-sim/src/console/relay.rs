//! One connection between a WebSocket and a session: first the ticket, then `OK`, then bytes both
//! ways until one side ends. The end is a dropped connection.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use super::defects::{self, LateScreen, hang_until_disconnect};
use super::interface::ContainerInterface;
use super::messages::{ClientMessage, MessageReader};
use super::websocket::{self, ClientFrame};
use crate::cluster::Cluster;
use crate::faults::FaultKind;
use crate::terminal::{DtachSession, GuestOrder, TerminalInput, WaitingProxy, login_prompt};
use crate::wire::Reset;

/// dtach's output when a client attaches: it clears the screen.
const ATTACHED: &[u8] = b"\x1b[H\x1b[J";
/// dtach's message when the shell has ended.
const TERMINATED: &[u8] = b"\x1b[999H\r\n[EOF - dtach terminating]\r\n";
/// dtach's message to a client that detaches.
const DETACHED: &[u8] = b"\x1b[999H\r\n[detached]\r\n";
/// `^\` detaches from the session.
const DETACH_KEY: u8 = 0x1c;
/// The longest line with a ticket that is read.
const LONGEST_LINE: usize = 2048;

/// A connection that was accepted.
pub(super) struct Relay {
    pub(super) cluster: Arc<Cluster>,
    pub(super) port: u16,
    pub(super) fault: Option<FaultKind>,
    pub(super) reset: Reset,
}

impl Relay {
    /// Serves the connection to its end.
    pub(super) async fn run<S>(self, stream: S, waiting: WaitingProxy)
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let WaitingProxy {
            vmid,
            claimed,
            mut ended,
        } = waiting;
        if claimed.send(()).is_err() {
            return;
        }
        let (mut read, mut write) = tokio::io::split(stream);
        let (frames, mut incoming) = mpsc::channel(16);
        // Frames are read by a task of their own, since a half-read frame cannot be given back.
        let reader = tokio::spawn(async move {
            loop {
                let frame = websocket::read(&mut read).await;
                let last = frame == ClientFrame::End;
                if frames.send(frame).await.is_err() || last {
                    return;
                }
            }
        });
        let served = tokio::select! {
            served = self.serve(vmid, &mut incoming, &mut write) => served.is_some(),
            // The proxy's task was aborted.
            () = ended.closed() => false,
        };
        reader.abort();
        // The task may have ended already.
        let _ = ended.send(served);
    }

    async fn serve<W: AsyncWrite + Unpin>(
        &self,
        vmid: u32,
        incoming: &mut mpsc::Receiver<ClientFrame>,
        write: &mut W,
    ) -> Option<()> {
        let mut messages = MessageReader::new(self.cluster.config.terminal_defects.splits_headers);
        let window = self.cluster.config.terminal_window;
        let line = tokio::time::timeout(window, first_line(&mut messages, incoming, write))
            .await
            .ok()??;
        if !self.admitted(vmid, &line) {
            return None;
        }
        websocket::write(write, b"OK").await.ok()?;
        let Some(session) = self.session(vmid).await else {
            let text = format!(
                "lxc-attach: {vmid}: ../src/lxc/attach.c: get_attach_context: 405 Connection refused - Failed to get init pid\r\n"
            );
            websocket::write(write, text.as_bytes()).await.ok()?;
            websocket::write(write, TERMINATED).await.ok()?;
            return Some(());
        };
        let exchange = self.exchange(&session, &mut messages, incoming, write);
        // The ticket was valid, whatever ends the connection now.
        if let Some(FaultKind::CutAfterTime(time)) = self.fault {
            if tokio::time::timeout(time, exchange).await.is_err() {
                self.reset.on_close();
            }
        } else {
            let _ = exchange.await;
        }
        Some(())
    }

    /// Whether the line is a ticket for this port of an account that may open this console.
    fn admitted(&self, vmid: u32, line: &[u8]) -> bool {
        let text = String::from_utf8_lossy(line);
        let Some((authid, ticket)) = text.split_once(':') else {
            return false;
        };
        // Before its check could take tokens, termproxy refused them like any wrong ticket.
        let token = authid.contains('!');
        if authid.len() > 64 || token && !self.cluster.config.console_tokens {
            return false;
        }
        let path = format!("/vms/{vmid}");
        let now = self.cluster.clock.seconds();
        self.cluster
            .signer
            .verify_terminal(ticket, authid, &path, self.port, now)
            && self
                .cluster
                .world()
                .access
                .allows(authid, &path, &["VM.Console"])
    }

    /// The container's session, or a login prompt where it is configured to have one; `None` if the
    /// container is stopped.
    async fn session(&self, vmid: u32) -> Option<Arc<DtachSession>> {
        let (order, shell) = {
            let world = self.cluster.world();
            let container = world.containers.get(&vmid).filter(|one| one.running())?;
            let shell = container.text("cmode") == Some("shell");
            (GuestOrder::new(container), shell)
        };
        if !shell || self.fault == Some(FaultKind::LoginPrompt) {
            return Some(login_prompt(&order.hostname));
        }
        let host_network = Arc::new(ContainerInterface {
            cluster: Arc::downgrade(&self.cluster),
            vmid,
        });
        let terminals = &self.cluster.terminals;
        let session = terminals.session(&order, host_network).await;
        let session = session
            .inspect_err(|error| tracing::warn!(%error, "a shell cannot be started"))
            .ok()?;
        if self.fault == Some(FaultKind::BusySession) {
            session
                .send(TerminalInput::Keys(b" sleep 100000\r".to_vec()))
                .await;
        }
        Some(session)
    }

    async fn exchange<W: AsyncWrite + Unpin>(
        &self,
        session: &DtachSession,
        messages: &mut MessageReader,
        incoming: &mut mpsc::Receiver<ClientFrame>,
        write: &mut W,
    ) -> Option<()> {
        let mut defects = self.cluster.config.terminal_defects;
        let dtach_is_real = session.is_behind_dtach();
        defects.waits_for_echo &= !dtach_is_real;
        let mut screen = LateScreen::new(session.attach()?, defects.loses_tail);
        let mut allowed = match self.fault {
            Some(FaultKind::CutAfter(bytes)) => bytes,
            _ => usize::MAX,
        };
        let mut may_be_typed = match self.fault {
            Some(FaultKind::CutAfterTyped(bytes)) => bytes,
            _ => usize::MAX,
        };
        if !dtach_is_real {
            self.show(write, &mut allowed, ATTACHED).await?;
        }
        loop {
            while let Some(mut message) = messages.next().ok()? {
                if let ClientMessage::Keys(keys) = &mut message {
                    if keys.len() > may_be_typed {
                        keys.truncate(may_be_typed);
                        type_in(session, message).await;
                        self.reset.on_close();
                        return None;
                    }
                    may_be_typed -= keys.len();
                }
                let keys = match &message {
                    ClientMessage::Keys(keys) => keys.len(),
                    _ => 0,
                };
                let detach =
                    matches!(&message, ClientMessage::Keys(keys) if keys.contains(&DETACH_KEY));
                if detach && !dtach_is_real {
                    return self.show(write, &mut allowed, DETACHED).await;
                }
                // Output is read while the shell is typed into; otherwise both sides could wait for
                // each other.
                let typing = type_in(session, message);
                if defects.waits_for_echo && keys > defects::ECHO_ROOM {
                    typing.await;
                    let echo = screen.all_at_once().await;
                    if echo.len() > defects::ECHO_ROOM {
                        return hang_until_disconnect(incoming).await;
                    }
                    self.show(write, &mut allowed, &echo).await?;
                    continue;
                }
                tokio::pin!(typing);
                loop {
                    tokio::select! {
                        biased;
                        shown = screen.recv() => match shown {
                            Some(bytes) => self.show(write, &mut allowed, &bytes).await?,
                            None if screen.loses_tail() || dtach_is_real => return Some(()),
                            None => return self.show(write, &mut allowed, TERMINATED).await,
                        },
                        () = &mut typing => break,
                    }
                }
            }
            tokio::select! {
                shown = screen.recv() => match shown {
                    Some(bytes) => self.show(write, &mut allowed, &bytes).await?,
                    None if screen.loses_tail() || dtach_is_real => return Some(()),
                    None => return self.show(write, &mut allowed, TERMINATED).await,
                },
                frame = incoming.recv() => match frame {
                    Some(ClientFrame::Bytes(bytes)) => messages.feed(&bytes),
                    Some(ClientFrame::Ping(payload)) => websocket::pong(write, &payload).await.ok()?,
                    Some(ClientFrame::End) | None => return Some(()),
                },
            }
        }
    }

    /// Shows bytes to the client, or cuts the connection if a fault requires it.
    async fn show<W: AsyncWrite + Unpin>(
        &self,
        write: &mut W,
        allowed: &mut usize,
        bytes: &[u8],
    ) -> Option<()> {
        let part = &bytes[..bytes.len().min(*allowed)];
        websocket::write(write, part).await.ok()?;
        *allowed -= part.len();
        if part.len() < bytes.len() || *allowed == 0 {
            self.reset.on_close();
            return None;
        }
        Some(())
    }
}

async fn type_in(session: &DtachSession, message: ClientMessage) {
    match message {
        ClientMessage::Keys(keys) => session.send(TerminalInput::Keys(keys)).await,
        ClientMessage::Size { columns, rows } => {
            session.send(TerminalInput::Size { columns, rows }).await
        }
        ClientMessage::Ping => {}
    }
}

async fn first_line<W: AsyncWrite + Unpin>(
    messages: &mut MessageReader,
    incoming: &mut mpsc::Receiver<ClientFrame>,
    write: &mut W,
) -> Option<Vec<u8>> {
    loop {
        if let Some(line) = messages.line() {
            return Some(line);
        }
        if messages.pending() > LONGEST_LINE {
            return None;
        }
        match incoming.recv().await? {
            ClientFrame::Bytes(bytes) => messages.feed(&bytes),
            ClientFrame::Ping(payload) => websocket::pong(write, &payload).await.ok()?,
            ClientFrame::End => return None,
        }
    }
}
