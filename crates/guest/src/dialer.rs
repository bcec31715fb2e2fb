//! How a guest's network is reached: directly, or through a SOCKS5 proxy (RFC 1928 and 1929) that
//! has a leg in it. The proxy need not be trusted, because the host key is checked behind it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use secret::Secret;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::error::GuestError;

/// The way into the guests' network. Its text form is `socks5h://[user:password@]host:port`.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Dialer {
    /// This machine has a route to the guests.
    #[default]
    Direct,
    /// Through a SOCKS5 proxy.
    Socks5 {
        /// Name or address of the proxy.
        host: String,
        /// Its port.
        port: u16,
        /// User name and password, if it asks for them.
        login: Option<(String, Secret)>,
    },
}

impl Dialer {
    /// Opens a TCP connection to a guest, without delay of small packets.
    ///
    /// # Errors
    /// [`GuestError::Refused`], [`GuestError::Unreachable`] also after `timeout`, and
    /// [`GuestError::Proxy`] if the proxy is at fault.
    pub async fn connect(
        &self,
        address: SocketAddr,
        timeout: Duration,
    ) -> Result<TcpStream, GuestError> {
        let connecting = async {
            match self {
                Self::Direct => {
                    let stream = TcpStream::connect(address).await;
                    stream.map_err(|error| GuestError::connect(&error))
                }
                Self::Socks5 { host, port, login } => {
                    let mut stream = enter(host, *port, login.as_ref()).await?;
                    request(&mut stream, address).await?;
                    Ok(stream)
                }
            }
        };
        let stream = tokio::time::timeout(timeout, connecting)
            .await
            .map_err(|_| GuestError::Unreachable)??;
        stream
            .set_nodelay(true)
            .map_err(|error| GuestError::connect(&error))?;
        Ok(stream)
    }

    /// Whether the proxy, if there is one, answers and takes the login. No guest is asked for.
    ///
    /// # Errors
    /// [`GuestError::Proxy`], also after `timeout`.
    pub async fn check_proxy(&self, timeout: Duration) -> Result<(), GuestError> {
        let Self::Socks5 { host, port, login } = self else {
            return Ok(());
        };
        let entered = tokio::time::timeout(timeout, enter(host, *port, login.as_ref()));
        let entered = entered.await.map_err(|_| fault("it does not answer"))?;
        entered.map(drop)
    }
}

fn broken(error: std::io::Error) -> GuestError {
    GuestError::Proxy(error.to_string())
}

fn fault(text: &str) -> GuestError {
    GuestError::Proxy(text.to_owned())
}

/// Connects to the proxy, and logs in there.
async fn enter(
    host: &str,
    port: u16,
    login: Option<&(String, Secret)>,
) -> Result<TcpStream, GuestError> {
    const NONE: u8 = 0;
    const PASSWORD: u8 = 2;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((host, port)).await;
    let mut stream = stream.map_err(broken)?;
    let method = if login.is_some() { PASSWORD } else { NONE };
    stream.write_all(&[5, 1, method]).await.map_err(broken)?;
    let mut answer = [0; 2];
    stream.read_exact(&mut answer).await.map_err(broken)?;
    if answer != [5, method] {
        return Err(fault("it offers no usable authentication"));
    }
    if let Some((user, password)) = login {
        let mut request = vec![1];
        for part in [user.as_str(), password.expose()] {
            // FromStr allows no longer ones.
            request.push(u8::try_from(part.len()).map_err(|_| fault("the login is too long"))?);
            request.extend_from_slice(part.as_bytes());
        }
        stream.write_all(&request).await.map_err(broken)?;
        stream.read_exact(&mut answer).await.map_err(broken)?;
        if answer[1] != 0 {
            return Err(fault("it refuses the password"));
        }
    }
    Ok(stream)
}

/// Asks the proxy for a connection to a guest.
async fn request(stream: &mut TcpStream, address: SocketAddr) -> Result<(), GuestError> {
    let mut request = vec![5, 1, 0];
    match address.ip() {
        IpAddr::V4(ip) => request.extend([1].iter().chain(&ip.octets())),
        IpAddr::V6(ip) => request.extend([4].iter().chain(&ip.octets())),
    }
    request.extend(address.port().to_be_bytes());
    stream.write_all(&request).await.map_err(broken)?;
    let mut head = [0; 4];
    stream.read_exact(&mut head).await.map_err(broken)?;
    match head[1] {
        0 => {}
        5 => return Err(GuestError::Refused),
        3 | 4 | 6 => return Err(GuestError::Unreachable),
        2 => return Err(fault("its rules forbid the guest's address")),
        code => return Err(fault(&format!("it failed with code {code}"))),
    }
    // The address it bound is of no use, but has to be read.
    let length = match head[3] {
        1 => 4,
        4 => 16,
        3 => usize::from(stream.read_u8().await.map_err(broken)?),
        _ => return Err(fault("it answers with an unknown kind of address")),
    };
    let mut bound = vec![0; length + 2];
    stream.read_exact(&mut bound).await.map_err(broken)?;
    Ok(())
}

/// The text is not `socks5h://[user:password@]host:port`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not of the form socks5h://[user:password@]host:port")]
pub struct InvalidProxy;

impl FromStr for Dialer {
    type Err = InvalidProxy;

    fn from_str(text: &str) -> Result<Self, InvalidProxy> {
        let url = url::Url::parse(text).map_err(|_| InvalidProxy)?;
        let bare = matches!(url.path(), "" | "/") && url.query().is_none();
        if !matches!(url.scheme(), "socks5h" | "socks5") || !bare || url.fragment().is_some() {
            return Err(InvalidProxy);
        }
        let decode = |text: &str| {
            let text = percent_decode_str(text)
                .decode_utf8()
                .map_err(|_| InvalidProxy)?;
            if text.is_empty() || text.len() > 255 {
                return Err(InvalidProxy);
            }
            Ok(text.into_owned())
        };
        let login = match (url.username(), url.password()) {
            ("", None) => None,
            (user, Some(password)) => Some((decode(user)?, Secret::new(decode(password)?))),
            (_, None) => return Err(InvalidProxy),
        };
        Ok(Self::Socks5 {
            host: url
                .host_str()
                .filter(|host| !host.is_empty())
                .ok_or(InvalidProxy)?
                .to_owned(),
            port: url.port().ok_or(InvalidProxy)?,
            login,
        })
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct => f.write_str("Direct"),
            Self::Socks5 { host, port, login } => {
                let login = if login.is_some() { "***@" } else { "" };
                write!(f, "socks5h://{login}{host}:{port}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_read_and_its_password_hidden() {
        let dialer: Dialer = "socks5h://me:p%40ss@proxy.example:1080".parse().unwrap();
        let login = Some(("me".to_owned(), Secret::new("p@ss")));
        let host = "proxy.example".to_owned();
        assert_eq!(
            dialer,
            Dialer::Socks5 {
                host,
                port: 1080,
                login
            }
        );
        assert_eq!(format!("{dialer:?}"), "socks5h://***@proxy.example:1080");
        let dialer: Dialer = "socks5h://127.0.0.1:1080".parse().unwrap();
        assert_eq!(format!("{dialer:?}"), "socks5h://127.0.0.1:1080");
    }

    #[test]
    fn other_texts_are_refused() {
        let texts = [
            "",
            "proxy:1080",
            "http://proxy:1080",
            "socks5h://proxy",
            "socks5h://:1080",
            "socks5h://me@proxy:1080",
            "socks5h://proxy:1080/path",
            "socks5h://proxy:1080?query",
        ];
        for text in texts {
            assert_eq!(text.parse::<Dialer>(), Err(InvalidProxy), "{text}");
        }
    }
}
