//! Whether this machine reaches port 22 of containers, as `GUEST_SSH_SOURCE` promises. A refusal
//! counts as reached: the container answered.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{CHECK, Finding};

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens a connection from this machine.
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
