//! A program in a terminal of its own. The terminal blocks, so it is served by threads that end
//! with it.

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use portable_pty::{CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, WaitOptions, waitpid};
use tokio::sync::{mpsc, oneshot};

/// Messages that are queued in each direction.
const QUEUE: usize = 64;

/// Stack of a thread that only copies.
const STACK: usize = 128 << 10;

/// Columns and rows; a client that knows none has an ordinary terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ScreenSize(PtySize);

impl ScreenSize {
    pub(super) fn new(columns: u32, rows: u32) -> Self {
        let count = |given: u32, usual| match u16::try_from(given) {
            Ok(0) | Err(_) => usual,
            Ok(given) => given,
        };
        Self(PtySize {
            rows: count(rows, 24),
            cols: count(columns, 80),
            pixel_width: 0,
            pixel_height: 0,
        })
    }
}

/// A program and both directions of its terminal.
pub(super) struct Terminal {
    pub(super) control: TerminalControl,
    pub(super) screen: mpsc::Receiver<Bytes>,
    pub(super) keys: mpsc::Sender<Bytes>,
    pub(super) ended: oneshot::Receiver<ExitStatus>,
}

/// The handle by which a terminal is resized and closed.
#[derive(Clone)]
pub(super) struct TerminalControl {
    master: Arc<Mutex<Option<Box<dyn MasterPty + Send>>>>,
    group: Pid,
}

impl TerminalControl {
    /// The process group of the program.
    pub(super) fn group(&self) -> Pid {
        self.group
    }

    pub(super) fn resize(&self, size: ScreenSize) {
        if let Some(master) = self.master().as_ref() {
            // A terminal whose program has ended has no size.
            let _ = master.resize(size.0);
        }
    }

    pub(super) fn close(&self) {
        self.master().take();
    }

    fn master(&self) -> std::sync::MutexGuard<'_, Option<Box<dyn MasterPty + Send>>> {
        self.master
            .lock()
            .expect("no code panics while it holds this")
    }
}

impl Terminal {
    /// Starts a program in a new terminal.
    ///
    /// # Errors
    /// There is no terminal, or the program cannot be started.
    pub(super) fn begin(
        words: &[OsString],
        environment: &[(String, String)],
        home: &Path,
        size: ScreenSize,
    ) -> io::Result<Self> {
        let pair = native_pty_system()
            .openpty(size.0)
            .map_err(io::Error::other)?;
        let mut command = CommandBuilder::from_argv(words.to_vec());
        command.env_clear();
        for (name, value) in environment {
            command.env(name, value);
        }
        if let Some(path) = pair.master.tty_name() {
            command.env("SSH_TTY", path);
        }
        command.cwd(home);
        let mut reader = pair.master.try_clone_reader().map_err(io::Error::other)?;
        let mut writer = pair.master.take_writer().map_err(io::Error::other)?;
        let child = pair
            .slave
            .spawn_command(command)
            .map_err(io::Error::other)?;
        drop(pair.slave);
        let group = child.process_id().and_then(|id| i32::try_from(id).ok());
        let group = group.and_then(Pid::from_raw);
        let group = group.ok_or_else(|| io::Error::other("a process without a number"))?;

        let (output, screen) = mpsc::channel(QUEUE);
        let (keys, mut typed) = mpsc::channel::<Bytes>(QUEUE);
        let (status, ended) = oneshot::channel();
        thread("screen", move || {
            let mut buffer = vec![0; 16 << 10];
            // A terminal whose programs have ended gives an error, not an end of file.
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                if output
                    .blocking_send(Bytes::copy_from_slice(&buffer[..count]))
                    .is_err()
                {
                    break;
                }
            }
        })?;
        thread("keys", move || {
            while let Some(bytes) = typed.blocking_recv() {
                if writer
                    .write_all(&bytes)
                    .and_then(|()| writer.flush())
                    .is_err()
                {
                    break;
                }
            }
        })?;
        thread("wait", move || {
            // Waited for by number, because the terminal's own wait hides the signal.
            if let Ok(Some((_, status_of_end))) = waitpid(Some(group), WaitOptions::empty()) {
                // The session may have gone.
                let _ = status.send(ExitStatus::from_raw(status_of_end.as_raw()));
            }
            drop(child);
        })?;
        Ok(Self {
            control: TerminalControl {
                master: Arc::new(Mutex::new(Some(pair.master))),
                group,
            },
            screen,
            keys,
            ended,
        })
    }
}

fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .stack_size(STACK)
        .spawn(work)?;
    Ok(())
}
