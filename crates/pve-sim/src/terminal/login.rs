//! A login prompt, as a container whose `cmode` is not `shell` shows it. No login succeeds, since
//! root has no password.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::session::{DtachSession, ShellEnd, TerminalInput, told_to_end};

/// A session of its own that asks for a name and a password and refuses both.
pub(crate) fn begin(hostname: &str) -> Arc<DtachSession> {
    let (session, backend) = DtachSession::begin();
    tokio::spawn(ask(backend, hostname.to_owned()));
    session
}

async fn ask(mut backend: ShellEnd, hostname: String) {
    let prompt = format!("\r\nDebian GNU/Linux 12 {hostname} tty1\r\n\r\n{hostname} login: ");
    let mut show: Vec<u8> = prompt.clone().into_bytes();
    let mut password = false;
    loop {
        if backend
            .output
            .send(Bytes::from(std::mem::take(&mut show)))
            .await
            .is_err()
        {
            return;
        }
        let input = tokio::select! {
            input = backend.input.recv() => input,
            () = told_to_end(&mut backend.ending) => return,
        };
        let keys = match input {
            Some(TerminalInput::Keys(keys)) => keys,
            Some(TerminalInput::Size { .. }) => continue,
            None => return,
        };
        for key in keys {
            match key {
                b'\r' | b'\n' if password => {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    show.extend_from_slice(b"\r\nLogin incorrect\r\n");
                    show.extend_from_slice(prompt.as_bytes());
                    password = false;
                }
                b'\r' | b'\n' => {
                    show.extend_from_slice(b"\r\nPassword: ");
                    password = true;
                }
                _ if password => {}
                key => show.push(key),
            }
        }
    }
}
