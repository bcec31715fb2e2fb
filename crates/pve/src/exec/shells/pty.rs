//! A real shell in a real pseudo-terminal, as the two ends that a conversation needs.

use std::io::{Read, Write};
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use tokio::sync::mpsc;

use crate::exec::session::{ByteSink, ByteSource, SessionFailure, converse};
use crate::exec::{ExecError, ExecOutcome, ExecRequest, OutputSink};
use crate::terminal::TerminalError;

/// A shell in a pseudo-terminal. Dropping it kills the shell.
pub(super) struct PtyShell {
    output: ShellOutput,
    input: ShellInput,
    child: Box<dyn Child + Send + Sync>,
    _master: Box<dyn MasterPty + Send>,
    home: tempfile::TempDir,
}

struct ShellOutput(mpsc::Receiver<Bytes>);
struct ShellInput {
    keys: mpsc::Sender<Vec<u8>>,
    garble: Mutex<Option<Garble>>,
}

/// What happens once to a part of a script on its way.
#[derive(Clone, Copy, Debug)]
pub(super) enum Garble {
    /// A letter becomes another.
    Letter,
    /// The end is missing, and with it the end of the here-document.
    Cut,
}

impl ByteSource for ShellOutput {
    async fn read(&mut self) -> Result<Option<Bytes>, TerminalError> {
        Ok(self.0.recv().await)
    }
}

impl ByteSink for ShellInput {
    async fn write(&self, bytes: &[u8]) -> Result<(), TerminalError> {
        let mut bytes = bytes.to_vec();
        if bytes.windows(10).any(|part| part == b" base64 -d") {
            let at = bytes.iter().position(|byte| *byte == b'\r').unwrap() + 1;
            match self.garble.lock().unwrap().take() {
                Some(Garble::Letter) => bytes[at] ^= 1,
                Some(Garble::Cut) => bytes.truncate(at + 8),
                None => {}
            }
        }
        self.keys
            .send(bytes)
            .await
            .map_err(|_| TerminalError::Lost("closed".into()))
    }
}

impl PtyShell {
    pub(super) fn start(command: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let size = PtySize {
            rows: 50,
            cols: 200,
            ..PtySize::default()
        };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut builder = CommandBuilder::new(command[0]);
        builder.args(&command[1..]);
        builder.env_clear();
        builder.env("PATH", "/usr/local/bin:/usr/bin:/bin");
        builder.env("TERM", "xterm-256color");
        builder.env("HOME", home.path());
        builder.env("TMPDIR", home.path());
        builder.cwd(home.path());
        let child = pair.slave.spawn_command(builder).unwrap();
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let mut writer = pair.master.take_writer().unwrap();
        let (send, output) = mpsc::channel(64);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = reader.read(&mut buffer) {
                if send
                    .blocking_send(Bytes::copy_from_slice(&buffer[..n]))
                    .is_err()
                {
                    return;
                }
            }
        });
        let (input, mut typed) = mpsc::channel::<Vec<u8>>(4);
        std::thread::spawn(move || {
            while let Some(bytes) = typed.blocking_recv() {
                if writer.write_all(&bytes).is_err() {
                    return;
                }
            }
        });
        Self {
            output: ShellOutput(output),
            input: ShellInput {
                keys: input,
                garble: Mutex::new(None),
            },
            child,
            _master: pair.master,
            home,
        }
    }

    pub(super) async fn run(
        &mut self,
        request: &ExecRequest,
        output: Option<&OutputSink>,
    ) -> Result<ExecOutcome, ExecError> {
        match converse(&mut self.output, &self.input, request, output).await {
            Ok(outcome) => Ok(outcome),
            Err(SessionFailure::Error(error)) => Err(error),
            Err(SessionFailure::Dying) => panic!("the shell ended by itself"),
        }
    }

    /// Garbles the next part of a script that is written.
    pub(super) fn garble(&self, how: Garble) {
        *self.input.garble.lock().unwrap() = Some(how);
    }

    /// Types a line and waits until its word is shown, so that what follows finds it running.
    pub(super) async fn leave_running(&mut self, line: &str, word: &str) {
        self.input.write(line.as_bytes()).await.unwrap();
        let mut shown = Vec::new();
        let all = async {
            while !String::from_utf8_lossy(&shown).contains(word) {
                shown.extend_from_slice(
                    &self.output.read().await.unwrap().expect("the shell lives"),
                );
            }
        };
        tokio::time::timeout(Duration::from_secs(10), all)
            .await
            .expect("the program starts");
    }

    /// Leaves no file behind in the container.
    pub(super) fn assert_clean(&self) {
        let left: Vec<_> = std::fs::read_dir(self.home.path())
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

impl Drop for PtyShell {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
