//! Processes of this program in the lab's namespaces: servers, and probes that try one path.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use anyhow::{Context as _, Result, bail};

/// A server, which is killed when this is dropped.
pub struct LabServer(Child);

impl Drop for LabServer {
    fn drop(&mut self) {
        // It may have ended with the namespaces.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the servers that answer with their names.
pub fn servers() -> Result<Vec<LabServer>> {
    let all: [(&str, &[&str]); 5] = [
        ("host", &["22", "8006"]),
        ("a", &["22", "80"]),
        ("b", &["22"]),
        ("nas", &["445"]),
        (
            "net",
            &[
                "22",
                "25",
                "53",
                "udp:9.9.9.9:53",
                "80",
                "443",
                "465",
                "587",
            ],
        ),
    ];
    let start = |(name, ports): (&str, &[&str])| {
        let (server, _) = start_server(name, &[&["serve", name], ports].concat())?;
        Ok(server)
    };
    all.into_iter().map(start).collect()
}

/// Starts the server for datagrams; gives the texts that it receives.
pub fn receiver() -> Result<(LabServer, Receiver<String>)> {
    let (server, output) = start_server("net", &["receive", "9999"])?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    Ok((server, receiver))
}

/// Starts a server in a namespace and waits until it serves.
fn start_server(
    namespace: &str,
    arguments: &[&str],
) -> Result<(LabServer, BufReader<ChildStdout>)> {
    let mut server = in_namespace(namespace, arguments)?
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start a server")?;
    let mut output = BufReader::new(server.stdout.take().expect("its output is piped"));
    let mut line = String::new();
    output.read_line(&mut line)?;
    if line.trim() != "ready" {
        bail!("a server in {namespace} did not start");
    }
    Ok((LabServer(server), output))
}

fn in_namespace(namespace: &str, arguments: &[&str]) -> Result<Command> {
    let this = std::env::current_exe().context("where this program is")?;
    let mut command = if namespace == "host" {
        Command::new(&this)
    } else {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace]).arg(&this);
        command
    };
    command.arg("fence").args(arguments);
    Ok(command)
}

/// Whether a probe in a namespace reaches its target.
pub fn try_path(namespace: &str, arguments: &[&str]) -> Result<bool> {
    let status = in_namespace(namespace, arguments)?
        .status()
        .context("cannot try a way")?;
    match status.code() {
        Some(0) => Ok(true),
        Some(1) => Ok(false),
        _ => bail!("a try ended with {status}"),
    }
}

/// Runs one of this program's parts in a namespace.
pub fn run_in(namespace: &str, arguments: &[&str]) -> Result<()> {
    let status = in_namespace(namespace, arguments)?
        .status()
        .context("cannot send")?;
    if !status.success() {
        bail!("{arguments:?} in {namespace} failed ({status})");
    }
    Ok(())
}
