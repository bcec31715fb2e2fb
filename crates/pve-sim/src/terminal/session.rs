//! The one session of a container, like dtach's: all clients see the same screen and type into the
//! same shell, and the session outlives them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

/// Input of a session.
#[derive(Debug)]
pub(crate) enum TerminalInput {
    Keys(Vec<u8>),
    Size { columns: u16, rows: u16 },
}

/// Messages that are queued for a shell or a client before the sender has to wait.
const QUEUE: usize = 64;

/// How long a client may not read before it is disconnected, so that it does not block the others.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// The session.
pub(crate) struct DtachSession {
    input: mpsc::Sender<TerminalInput>,
    clients: Mutex<Option<Vec<mpsc::Sender<Bytes>>>>,
    ending: watch::Sender<bool>,
    kill: Mutex<Option<KillShell>>,
    behind_dtach: AtomicBool,
}

/// Ends a shell that does not watch `ending`.
pub(super) type KillShell = Box<dyn FnOnce() + Send>;

/// The shell's side of a session.
pub(super) struct ShellEnd {
    pub(super) input: mpsc::Receiver<TerminalInput>,
    /// Dropping it ends the session.
    pub(super) output: mpsc::Sender<Bytes>,
    /// Becomes true when the shell has to end.
    pub(super) ending: watch::Receiver<bool>,
}

impl DtachSession {
    /// A session and the end that a shell has to serve.
    pub(super) fn begin() -> (Arc<Self>, ShellEnd) {
        let (input, for_shell) = mpsc::channel(QUEUE);
        let (output, screen) = mpsc::channel(QUEUE);
        let (ending, ended) = watch::channel(false);
        let session = Arc::new(Self {
            input,
            clients: Mutex::new(Some(Vec::new())),
            ending,
            kill: Mutex::default(),
            behind_dtach: AtomicBool::new(false),
        });
        tokio::spawn(show(Arc::downgrade(&session), screen));
        let backend = ShellEnd {
            input: for_shell,
            output,
            ending: ended,
        };
        (session, backend)
    }

    /// The same, which is one client of a real dtach, and ends with its connection.
    pub(super) fn attached_by_dtach(self: Arc<Self>) -> Arc<Self> {
        self.behind_dtach.store(true, Ordering::Relaxed);
        self
    }

    /// Whether a real dtach shows its own messages.
    pub(crate) fn is_behind_dtach(&self) -> bool {
        self.behind_dtach.load(Ordering::Relaxed)
    }

    pub(super) fn is_open(&self) -> bool {
        self.clients().is_some()
    }

    /// Everything that the shell shows from now on; `None` if it has ended.
    pub(crate) fn attach(&self) -> Option<mpsc::Receiver<Bytes>> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        self.clients().as_mut()?.push(sender);
        Some(receiver)
    }

    /// Types into the shell; waits while it does not read.
    pub(crate) async fn send(&self, input: TerminalInput) {
        // The end of a shell is noticed by the closed screen.
        let _ = self.input.send(input).await;
    }

    /// Shows a text to those who are attached now and have room for it.
    pub(super) fn tell(&self, text: &str) {
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        for client in self.clients().iter().flatten() {
            // One that does not read would hold up the end of the shell.
            let _ = client.try_send(bytes.clone());
        }
    }

    /// Ends the shell.
    pub(super) fn end(&self) {
        self.ending.send_replace(true);
        let kill = self
            .kill
            .lock()
            .expect("no code panics while it holds this")
            .take();
        if let Some(kill) = kill {
            kill();
        }
    }

    /// Says how to end the shell; happens at the latest when the session is dropped.
    pub(super) fn ends_by(&self, kill: KillShell) {
        *self
            .kill
            .lock()
            .expect("no code panics while it holds this") = Some(kill);
    }

    fn clients(&self) -> MutexGuard<'_, Option<Vec<mpsc::Sender<Bytes>>>> {
        self.clients
            .lock()
            .expect("no code panics while it holds the client list")
    }
}

impl Drop for DtachSession {
    fn drop(&mut self) {
        self.end();
    }
}

/// Waits until the shell has to go, because it is told to or because the session has gone.
pub(super) async fn told_to_end(ending: &mut watch::Receiver<bool>) {
    // An error means that the session has gone.
    let _ = ending.wait_for(|ending| *ending).await;
}

/// Shows what the shell writes to all clients, until it writes no more.
async fn show(session: std::sync::Weak<DtachSession>, mut screen: mpsc::Receiver<Bytes>) {
    while let Some(bytes) = screen.recv().await {
        let Some(session) = session.upgrade() else {
            return;
        };
        let clients = session.clients().clone().unwrap_or_default();
        for client in clients {
            let sent = tokio::time::timeout(READ_TIMEOUT, client.send(bytes.clone())).await;
            if !matches!(sent, Ok(Ok(()))) {
                let mut clients = session.clients();
                if let Some(clients) = clients.as_mut() {
                    clients.retain(|one| !one.same_channel(&client));
                }
            }
        }
    }
    if let Some(session) = session.upgrade() {
        session.clients().take();
    }
}
