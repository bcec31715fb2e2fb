//! SOCKS 5 (RFC 1928), the server's side: `CONNECT` without a login.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

const VERSION: u8 = 5;
/// No login is needed.
const NO_LOGIN: u8 = 0;
/// None of the offered kinds of login is accepted.
const NO_METHOD: u8 = 0xff;
const CONNECT: u8 = 1;

/// The answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reply {
    Succeeded = 0,
    /// The simulator itself fails.
    GeneralFailure = 1,
    /// A place that the simulator leads nobody to.
    NotAllowed = 2,
    HostUnreachable = 4,
    ConnectionRefused = 5,
    CommandNotSupported = 7,
    AddressNotSupported = 8,
}

/// Where a client wants to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) host: Host,
    pub(crate) port: u16,
}

/// An address, or a name that is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    Address(IpAddr),
    Name(String),
}

/// Why there is no destination.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// To be told to the client.
    Answer(Reply),
    /// The client does not speak the protocol, or has gone.
    Broken(io::Error),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

/// An answer as it is sent. The address in it means nothing to a client.
pub(crate) fn reply(answer: Reply) -> [u8; 10] {
    [VERSION, answer as u8, 0, 1, 0, 0, 0, 0, 0, 0]
}

/// Reads a client's greeting and request; reads nothing beyond them.
///
/// # Errors
/// See [`Refusal`].
pub(crate) async fn request(
    client: &mut (impl AsyncRead + AsyncWrite + Unpin),
) -> Result<Destination, Refusal> {
    expect_version(client.read_u8().await?)?;
    let mut methods = vec![0; client.read_u8().await?.into()];
    client.read_exact(&mut methods).await?;
    if !methods.contains(&NO_LOGIN) {
        client.write_all(&[VERSION, NO_METHOD]).await?;
        return Err(io::Error::other("no kind of login fits").into());
    }
    client.write_all(&[VERSION, NO_LOGIN]).await?;
    let mut head = [0; 4];
    client.read_exact(&mut head).await?;
    let [version, command, _, kind] = head;
    expect_version(version)?;
    let host = match kind {
        1 => {
            let mut address = [0; 4];
            client.read_exact(&mut address).await?;
            Host::Address(Ipv4Addr::from(address).into())
        }
        3 => {
            let mut name = vec![0; client.read_u8().await?.into()];
            client.read_exact(&mut name).await?;
            let name = String::from_utf8_lossy(&name).into_owned();
            name.parse().map_or(Host::Name(name), Host::Address)
        }
        4 => {
            let mut address = [0; 16];
            client.read_exact(&mut address).await?;
            Host::Address(Ipv6Addr::from(address).into())
        }
        _ => return Err(Refusal::Answer(Reply::AddressNotSupported)),
    };
    let port = client.read_u16().await?;
    match command {
        CONNECT => Ok(Destination { host, port }),
        _ => Err(Refusal::Answer(Reply::CommandNotSupported)),
    }
}

fn expect_version(version: u8) -> io::Result<()> {
    match version {
        VERSION => Ok(()),
        _ => Err(io::Error::other("not SOCKS 5")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read from these bytes, and what was answered.
    async fn asked(bytes: &[u8]) -> (Result<Destination, Refusal>, Vec<u8>) {
        let (mut client, mut server) = tokio::io::duplex(1024);
        client.write_all(bytes).await.unwrap();
        client.shutdown().await.unwrap();
        let read = request(&mut server).await;
        drop(server);
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        (read, answer)
    }

    #[tokio::test]
    async fn an_address_is_read_from_every_form() {
        let four = Host::Address([10, 64, 0, 100].into());
        let six = Host::Address(Ipv6Addr::LOCALHOST.into());
        let mut last = [0; 16];
        last[15] = 1;
        for (kind, host, expected) in [
            (1, [10, 64, 0, 100].to_vec(), four.clone()),
            (3, b"\x0b10.64.0.100".to_vec(), four),
            (3, b"\x03web".to_vec(), Host::Name("web".into())),
            (4, last.to_vec(), six),
        ] {
            let mut bytes = vec![5, 2, 2, 0, 5, 1, 0, kind];
            bytes.extend(host);
            bytes.extend([0, 22]);
            let (read, answer) = asked(&bytes).await;
            assert_eq!(answer, [5, 0]);
            assert_eq!(
                read.unwrap(),
                Destination {
                    host: expected,
                    port: 22
                }
            );
        }
    }

    #[tokio::test]
    async fn what_is_not_understood_is_refused() {
        let (read, answer) = asked(&[5, 1, 2]).await;
        assert!(matches!(read, Err(Refusal::Broken(_))) && answer == [5, 0xff]);
        let (read, _) = asked(&[4, 1, 0, 22, 10, 0, 0, 1, 0]).await;
        assert!(matches!(read, Err(Refusal::Broken(_))));
        let (read, _) = asked(&[5, 1, 0, 5, 2, 0, 1, 10, 0, 0, 1, 0, 22]).await;
        assert!(matches!(
            read,
            Err(Refusal::Answer(Reply::CommandNotSupported))
        ));
        let (read, _) = asked(&[5, 1, 0, 5, 1, 0, 9]).await;
        assert!(matches!(
            read,
            Err(Refusal::Answer(Reply::AddressNotSupported))
        ));
    }
}
