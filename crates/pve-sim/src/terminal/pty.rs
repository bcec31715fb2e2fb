//! A real shell in a real pseudo-terminal. The terminal blocks, so it is served by two threads that
//! end with it.

use std::io::{Error, Read as _, Write as _};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use super::session::{DtachSession, ShellEnd, TerminalInput};
use rustix::io::Errno;

/// The size that termproxy gives its terminal.
const SIZE: PtySize = PtySize {
    rows: 20,
    cols: 80,
    pixel_width: 0,
    pixel_height: 0,
};

/// Runs a command in a new terminal of a new session; the number is that of its process, with which
/// `kill` ends the shell.
pub(super) fn begin(
    command: CommandBuilder,
    kill: fn(u32),
) -> std::io::Result<(Arc<DtachSession>, u32)> {
    new_session_keyring()?;
    let pair = native_pty_system().openpty(SIZE).map_err(Error::other)?;
    let mut child = pair.slave.spawn_command(command).map_err(Error::other)?;
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().map_err(Error::other)?;
    let mut writer = pair.master.take_writer().map_err(Error::other)?;
    let master = pair.master;
    let pid = child.process_id();
    let pid = pid.ok_or_else(|| Error::other("a process without a number"))?;
    let (session, backend) = DtachSession::begin();
    let ShellEnd {
        mut input,
        output,
        ending: _,
    } = backend;

    // Whether the process id may belong to another process by now.
    let reaped = Arc::new(Mutex::new(false));
    let seen = reaped.clone();
    std::thread::Builder::new()
        .name("pty-output".into())
        .spawn(move || {
            let mut buffer = vec![0; 16 << 10];
            // A terminal whose shell has ended gives an error, not an end of file.
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                if output
                    .blocking_send(Bytes::copy_from_slice(&buffer[..count]))
                    .is_err()
                {
                    break;
                }
            }
            *reaped.lock().expect("no code panics while it holds this") = true;
            // The rest of its processes have no terminal now.
            kill(pid);
            let _ = child.wait();
        })?;
    std::thread::Builder::new()
        .name("pty-input".into())
        .spawn(move || {
            while let Some(input) = input.blocking_recv() {
                let done = match input {
                    TerminalInput::Keys(keys) => {
                        writer.write_all(&keys).and_then(|()| writer.flush())
                    }
                    TerminalInput::Size { columns, rows } => master
                        .resize(PtySize {
                            rows: rows.max(1),
                            cols: columns.max(1),
                            ..SIZE
                        })
                        .map_err(Error::other),
                };
                if done.is_err() {
                    break;
                }
            }
        })?;
    session.ends_by(Box::new(move || {
        let reaped = seen.lock().expect("no code panics while it holds this");
        if !*reaped {
            kill(pid);
        }
    }));
    Ok((session, pid))
}

/// Gives this thread, and the processes that it starts, a session keyring of its own. An inherited
/// keyring can be read from inside any namespace, and would show the operator's keys to a tenant.
pub(super) fn new_session_keyring() -> std::io::Result<()> {
    let Err(error) = keyutils::Keyring::join_anonymous_session() else {
        return Ok(());
    };
    // Where the kernel has no keyrings or a filter forbids them, that holds for a tenant as well.
    let missing = [Errno::NOSYS, Errno::PERM].map(Errno::raw_os_error);
    if missing.contains(&error.0) {
        return Ok(());
    }
    Err(Error::from_raw_os_error(error.0))
}
