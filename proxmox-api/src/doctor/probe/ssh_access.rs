//! Whether the service gets into a new container by SSH: past the fence from `GUEST_SSH_SOURCE` or
//! through `GUEST_PROXY`, with the host key that Proxmox printed and the key that was laid into it.
//! Without `GUEST_SSH` only the port that `GUEST_SSH_SOURCE` promises is tried.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ::guest::{CommandRequest, GuestConnections, GuestError, GuestTarget, Limits};
use ipnet::IpNet;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::{CHECK, Finding};
use crate::{config::Config, doctor::guest::unreachable};

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a server that refuses connections may still be starting, and how often it is tried.
const START_TIMEOUT: Duration = Duration::from_secs(30);
const START_INTERVAL: Duration = Duration::from_millis(500);

/// Logs into the container and runs `true`.
pub(super) async fn log_in(config: &Config, target: GuestTarget) -> Finding {
    let expected = "the service logs into a new container and runs a command there";
    let connections = GuestConnections::new(config.guest.dialer.clone(), Limits::default());
    let guest = connections.guest(target);
    let until = Instant::now() + START_TIMEOUT;
    let (login, begun) = loop {
        let begun = Instant::now();
        let tried = timeout(CONNECT_TIMEOUT, guest.probe()).await;
        match tried.unwrap_or(Err(GuestError::Unreachable)) {
            Err(GuestError::Refused) if begun < until => sleep(START_INTERVAL).await,
            tried => break (tried, begun),
        }
    };
    let error = match login {
        Ok(()) => {
            let login = begun.elapsed().as_millis();
            let begun = Instant::now();
            match run_true(&guest).await {
                Ok(()) => {
                    let command = begun.elapsed().as_millis();
                    let found = format!("login in {login} ms, `true` in {command} ms");
                    return Finding::ok(CHECK, expected, found);
                }
                Err(error) => error,
            }
        }
        Err(error) => error,
    };
    let finding = Finding::warning(CHECK, expected, error.to_string());
    match error {
        GuestError::Unreachable => unreachable(config, finding),
        GuestError::Proxy(_) => {
            finding.mend("GUEST_PROXY=…  # proxmox-api doctor tries the proxy by itself")
        }
        GuestError::AuthRefused => finding.mend(
            "GUEST_SSH_SOURCE=…  # the address from which containers see the service or its proxy: \
             the key is good from there only",
        ),
        GuestError::HostKeyMismatch => finding
            .mend("the address of this container is another machine's as well: look who answers"),
        GuestError::Refused | GuestError::NotSsh | GuestError::NoHostKey => finding.mend(
            "PVE_OS_TEMPLATE=…  # Debian's or Ubuntu's first: this template has no SSH server, and \
             its containers are reached by their terminal",
        ),
        _ => finding.mend("proxmox-api doctor --probe  # again; else the template's SSH server"),
    }
}

async fn run_true(guest: &::guest::Guest) -> Result<(), GuestError> {
    let command = guest.open_command(false).await?;
    let outcome = command.run(CommandRequest::new("true"), None).await?;
    match outcome.exit_code {
        0 => Ok(()),
        code => Err(GuestError::Other(format!("`true` ended with {code}"))),
    }
}

/// Opens a connection from this machine. A refusal counts as reached: the container answered.
pub(super) async fn examine(source: IpNet, container: SocketAddr) -> Finding {
    let expected = format!(
        "this machine reaches port {} of containers",
        container.port()
    );
    let found = match timeout(CONNECT_TIMEOUT, TcpStream::connect(container)).await {
        Ok(Ok(_)) => return Finding::ok(CHECK, &expected, "it does"),
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => {
            return Finding::ok(CHECK, &expected, "it does; nothing listens there yet");
        }
        Ok(Err(error)) => format!("{container} is not reached: {error}"),
        Err(_) => format!("{container} does not answer"),
    };
    Finding::warning(CHECK, &expected, found).mend(format!(
        "a route from this machine to PVE_NETWORK by way of the host; if {source} is another machine, \
         run the probe there"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> IpNet {
        "192.168.1.20/32".parse().unwrap()
    }

    #[tokio::test]
    async fn any_response_counts_as_reached() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let open = examine(source(), address).await;
        assert!(open.mend.is_empty(), "{open:?}");
        drop(listener);
        let refused = examine(source(), address).await;
        assert!(refused.mend.is_empty(), "{refused:?}");
    }

    #[tokio::test]
    async fn silence_is_a_warning_that_names_the_route() {
        // Without an interface it leads nowhere.
        let nowhere = "[fe80::1]:22".parse().unwrap();
        let silent = examine(source(), nowhere).await;
        assert!(silent.mend[0].contains("PVE_NETWORK"), "{silent:?}");
    }
}
