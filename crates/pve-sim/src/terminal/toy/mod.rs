//! A toy shell made of Rust, for hosts that allow no confinement: it edits a line, runs a dozen commands on a file system in
//! memory, and understands what is typed to run a script through a terminal ([`envelope`]).

mod commands;
mod envelope;
mod interpret;
mod machine;
mod network;
mod network_commands;
mod parse;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::session::{Backend, Input, Session, told_to_end};
use envelope::{Envelope, Step};
use machine::Machine;
use network::Network;
pub(crate) use network::Outside;

/// The longest line that is typed, as a terminal has it; what is typed beyond is lost.
const LONGEST_LINE: usize = 4095;
/// Keystrokes that wait while a command runs; what is typed beyond is lost.
const WAITING: usize = 64 * 1024;

/// A session with a toy shell,
/// that calls `power_off` when `poweroff` or `halt` is run in it. With an `outside` it has programs for a network.
pub(super) fn begin(
    hostname: &str,
    outside: Option<Arc<dyn Outside>>,
    power_off: impl Fn() + Send + Sync + 'static,
) -> Arc<Session> {
    let (session, backend) = Session::begin();
    let mut machine = Machine::new(hostname);
    machine.network = outside.map(Network::new);
    let shell = Shell {
        machine,
        envelope: Envelope::default(),
        line: Vec::new(),
        typed: VecDeque::new(),
        echo: true,
        quiet: false,
        power_off: Box::new(power_off),
    };
    tokio::spawn(shell.run(backend));
    session
}

struct Shell {
    machine: Machine,
    envelope: Envelope,
    line: Vec<u8>,
    /// What was typed while a command ran.
    typed: VecDeque<u8>,
    echo: bool,
    /// No prompt either.
    quiet: bool,
    power_off: Box<dyn Fn() + Send + Sync>,
}

impl Shell {
    async fn run(mut self, mut backend: Backend) {
        if backend.show(self.prompt()).await.is_none() {
            return;
        }
        loop {
            let input = tokio::select! {
                input = backend.input.recv() => input,
                () = told_to_end(&mut backend.ending) => return,
            };
            match input {
                Some(Input::Keys(keys)) => self.typed.extend(keys),
                Some(Input::Size { .. }) => continue,
                None => return,
            }
            if self.take_typed(&mut backend).await.is_none() {
                return;
            }
        }
    }

    /// Handles all typed keys; `None` when the shell has ended.
    async fn take_typed(&mut self, backend: &mut Backend) -> Option<()> {
        while let Some(key) = self.typed.pop_front() {
            match key {
                b'\r' | b'\n' => {
                    self.echo(backend, b"\r\n").await?;
                    let line = String::from_utf8_lossy(&self.line).into_owned();
                    self.line.clear();
                    self.enter(backend, &line).await?;
                }
                0x03 => {
                    self.line.clear();
                    self.envelope.interrupt();
                    backend.show(format!("^C\r\n{}", self.prompt())).await?;
                }
                0x04 if self.line.is_empty() => return None,
                0x7f | 0x08 => {
                    if self.line.pop().is_some() {
                        self.echo(backend, b"\x08 \x08").await?;
                    }
                }
                // Escapes and other controls mean nothing to it.
                0..0x20 => {}
                _ if self.line.len() >= LONGEST_LINE => {}
                key => {
                    self.line.push(key);
                    self.echo(backend, &[key]).await?;
                }
            }
        }
        Some(())
    }

    async fn enter(&mut self, backend: &mut Backend, line: &str) -> Option<()> {
        match self.envelope.take(line) {
            Step::Consumed => Some(()),
            Step::Probed(answer) => {
                self.echo = false;
                self.quiet = true;
                backend.show(answer).await
            }
            Step::Run { script, seconds } => {
                let limit = Duration::from_secs(seconds);
                let mut report = self.machine.script(&script);
                self.look_for_power_off()?;
                let slept = std::mem::take(&mut self.machine.pause);
                if slept > limit {
                    report.code = 124;
                }
                self.pause(backend, slept.min(limit)).await?;
                match self.envelope.ran(report) {
                    Some(text) => backend.show(text).await,
                    None => Some(()),
                }
            }
            Step::Show(text) => backend.show(text).await,
            Step::Leave => None,
            Step::Report { text, ends } => {
                backend.show(text).await?;
                (!ends).then_some(())
            }
            Step::Plain => {
                let report = self.machine.script(line);
                self.look_for_power_off()?;
                let slept = std::mem::take(&mut self.machine.pause);
                self.pause(backend, slept).await?;
                let mut shown = report.stdout;
                shown.extend(report.stderr);
                backend.show(terminal_lines(&shown)).await?;
                if self.machine.exited {
                    backend.show("exit\r\n").await?;
                    return None;
                }
                backend.show(self.prompt()).await
            }
        }
    }

    /// Ends the shell with its container.
    fn look_for_power_off(&self) -> Option<()> {
        if self.machine.power_off {
            (self.power_off)();
            return None;
        }
        Some(())
    }

    /// Lets a command's time pass; `^C` ends it early, everything else waits its turn.
    async fn pause(&mut self, backend: &mut Backend, time: Duration) -> Option<()> {
        let end = tokio::time::sleep(time);
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => return Some(()),
                () = told_to_end(&mut backend.ending) => return None,
                input = backend.input.recv() => match input? {
                    Input::Keys(keys) if keys.contains(&0x03) => {
                        self.typed.clear();
                        return backend.show("^C\r\n").await;
                    }
                    Input::Keys(keys) => {
                        let room = WAITING.saturating_sub(self.typed.len());
                        self.typed.extend(keys.into_iter().take(room));
                    }
                    Input::Size { .. } => {}
                },
            }
        }
    }

    async fn echo(&self, backend: &mut Backend, bytes: &[u8]) -> Option<()> {
        if self.echo {
            backend.show(Bytes::copy_from_slice(bytes)).await?;
        }
        Some(())
    }

    fn prompt(&self) -> String {
        if self.quiet {
            return String::new();
        }
        self.machine.prompt()
    }
}

impl Backend {
    async fn show(&mut self, bytes: impl Into<Bytes>) -> Option<()> {
        self.output.send(bytes.into()).await.ok()
    }
}

/// Output as a terminal shows it.
fn terminal_lines(bytes: &[u8]) -> Vec<u8> {
    let mut shown = Vec::with_capacity(bytes.len());
    for byte in bytes {
        if *byte == b'\n' {
            shown.push(b'\r');
        }
        shown.push(*byte);
    }
    shown
}
