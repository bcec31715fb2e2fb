//! The network end of one container: a process inside of the container's confinement that has an
//! SSH server on port 22 and leads other ports to the container's own loopback interface. The
//! simulator hands connections in (`handing`).
//!
//! The process that is started first ([`run`]) does what an init does: it starts the server, reaps
//! orphans, and ends everything when the server ends. `connection` is the server's side of one SSH
//! connection, `session`, `shell` and `sftp` are what runs in it.

mod authorized_keys;
mod connection;
mod forward;
mod guest;
pub(crate) mod handing;
mod penalties;
mod server;
mod session;
mod sftp;
mod shell;

use std::ffi::OsString;
use std::process::{Command, ExitCode};
use std::time::Duration;

use rustix::process::{Pid, WaitOptions, getpid, set_child_subreaper, wait};

pub(crate) use authorized_keys::is_key;
pub(crate) use guest::GuestArguments;

use crate::processes::end_children;

/// Serves one container until the simulator ends, as the command `pve-sim guest`. The standard
/// input is the guest's end of a socket pair.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let is_server = arguments.first().is_some_and(|first| first == "serve");
    let done = match is_server {
        true => GuestArguments::parse(&arguments[1..]).and_then(server::serve),
        false => be_init(&arguments),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            report(&format!("{error}"));
            ExitCode::FAILURE
        }
    }
}

/// Starts the server and waits for it and for all orphans.
fn be_init(arguments: &[OsString]) -> std::io::Result<u8> {
    // Outside of a process namespace of its own it is no init otherwise.
    set_child_subreaper(Some(getpid()))?;
    let server = Command::new(std::env::current_exe()?)
        .args(["guest", "serve"])
        .args(arguments)
        .spawn()?;
    let server = i32::try_from(server.id()).ok().and_then(Pid::from_raw);
    let code = loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((ended, status))) if Some(ended) == server => {
                break status.exit_status().unwrap_or(1);
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    };
    while end_children(std::process::id()) {
        while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(u8::try_from(code).unwrap_or(1))
}

/// Tells the simulator something for its log.
fn report(text: &str) {
    use std::io::Write as _;
    // Without a standard error nothing can be reported.
    let _ = writeln!(std::io::stderr(), "{text}");
}
