//! `--health`: calls the running simulator as a client does, with the credentials that it wrote.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::handover;

/// The token that the simulator makes for the service's account.
const TOKEN_ID: &str = "infra402@pve!svc";
/// How long each step may take: more than the three seconds after which wrong credentials are
/// refused.
const STEP_TIMEOUT: Duration = Duration::from_secs(4);

/// Asks the simulator that listens on `listen` for its version, over TLS and with the token.
///
/// # Errors
/// The credentials are missing, nothing answers, or the status is not 200.
pub(super) fn ask(listen: SocketAddr, credentials: &Path) -> anyhow::Result<()> {
    let secret = read(&handover::token_secret(credentials))?;
    let authority = read(&handover::authority(credentials))?;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes())?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();

    let address = SocketAddr::new(reachable(listen.ip()), listen.port());
    let socket = TcpStream::connect_timeout(&address, STEP_TIMEOUT)
        .with_context(|| format!("nothing listens on {address}"))?;
    socket.set_read_timeout(Some(STEP_TIMEOUT))?;
    socket.set_write_timeout(Some(STEP_TIMEOUT))?;
    let name = ServerName::try_from("localhost")?;
    let connection = ClientConnection::new(Arc::new(config), name)?;
    let mut stream = StreamOwned::new(connection, socket);
    write!(
        stream,
        "GET /api2/json/version HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Authorization: PVEAPIToken={TOKEN_ID}={secret}\r\n\r\n"
    )?;
    let mut status = [0; "HTTP/1.1 200".len()];
    stream.read_exact(&mut status)?;
    if status != *b"HTTP/1.1 200" {
        bail!("it answers {}", String::from_utf8_lossy(&status));
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The address that reaches this listener from the same machine.
fn reachable(listens: IpAddr) -> IpAddr {
    match listens {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

#[cfg(test)]
mod tests {
    use pve_sim::{Sim, SimConfig};

    use crate::handover;

    #[tokio::test]
    async fn a_simulator_is_healthy_while_it_accepts_the_credentials_that_it_wrote() {
        let sim = Sim::start(SimConfig::default()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let ask = async || {
            let (address, path) = (sim.addr(), folder.path().to_owned());
            tokio::task::spawn_blocking(move || super::ask(address, &path))
                .await
                .unwrap()
        };
        let early = ask().await.unwrap_err().to_string();
        assert!(early.contains("token-secret"), "{early}");

        handover::write_credentials(&sim, folder.path()).unwrap();
        ask().await.unwrap();
        std::fs::write(handover::token_secret(folder.path()), "another").unwrap();
        let refused = ask().await.unwrap_err().to_string();
        assert_eq!(refused, "it answers HTTP/1.1 401");
        let address = sim.addr();
        sim.stop().await;
        let gone = super::ask(address, folder.path()).unwrap_err().to_string();
        assert!(gone.contains("nothing listens"), "{gone}");
    }
}
