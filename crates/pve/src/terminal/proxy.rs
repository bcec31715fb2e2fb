//! Opens a terminal: the call that starts the host's terminal program and gives a ticket, then,
//! within ten seconds and at the same host, the WebSocket that leads to it, then the ticket itself
//! as the first line on that stream.

use std::time::Duration;

use http::Method;
use http::header::{CONNECTION, HeaderMap, HeaderValue, UPGRADE};
use secret::Secret;
use serde::Deserialize;
use tokio::time::timeout;

use crate::cause::with_causes;
use crate::client::Client;
use crate::error::{ApiCall, Error};
use crate::ids::{NodeName, Vmid};
use crate::lenient;
use crate::path::ApiPath;
use crate::terminal::error::TerminalError;
use crate::terminal::socket::{self, SocketReader};
use crate::terminal::stream::Terminal;

/// How long the host waits for the ticket, and the client for the host's `OK`.
const AUTH_TIMEOUT: Duration = Duration::from_secs(10);

/// How hosts and proxies answer an upgrade request whose upgrade headers a proxy has removed.
const NOT_UPGRADED: [u16; 5] = [400, 404, 405, 426, 501];

#[derive(Deserialize)]
struct Proxy {
    user: String,
    ticket: Secret,
    #[serde(deserialize_with = "lenient::required_u64")]
    port: u64,
    upid: Option<String>,
}

impl Client {
    /// Opens a container's terminal. There is one session per container, which all its terminals
    /// share and which outlives the connection; hold a [`crate::terminal::TerminalLocks`] entry
    /// around this call and the use of it. The container has to run; a stopped one gives a terminal
    /// that ends at once.
    ///
    /// # Errors
    /// [`TerminalError::AuthUnsupported`] when the host is too old for this account; see
    /// [`TerminalError`].
    pub async fn terminal(
        &self,
        node: &NodeName,
        vmid: Vmid,
        cols: u16,
        rows: u16,
    ) -> Result<Terminal, TerminalError> {
        let path = ApiPath::lxc(node, vmid).seg("termproxy");
        let proxy: Proxy = self.call(Method::POST, path, Vec::new()).await?;
        let task = proxy.upid.as_deref().and_then(|upid| upid.parse().ok());
        let (mut reader, writer) = self.dial(node, vmid, &proxy).await?;
        let line = format!("{}:{}\n", proxy.user, proxy.ticket.expose());
        writer
            .send_ticket(line.into())
            .await
            .map_err(|_| self.rejected())?;
        let early = timeout(AUTH_TIMEOUT, self.await_ok(&mut reader))
            .await
            .map_err(|_| TerminalError::Timeout("the host did not confirm the ticket"))??;
        let mut terminal = Terminal::new(reader, writer, early, task);
        terminal.resize(cols, rows).await?;
        Ok(terminal)
    }

    async fn dial(
        &self,
        node: &NodeName,
        vmid: Vmid,
        proxy: &Proxy,
    ) -> Result<(SocketReader, socket::SocketWriter), TerminalError> {
        let path = ApiPath::lxc(node, vmid).seg("vncwebsocket");
        let call = ApiCall::new(Method::GET, path.as_str());
        let params = vec![
            ("port".to_owned(), proxy.port.to_string()),
            ("vncticket".to_owned(), proxy.ticket.expose().to_owned()),
        ];
        let key = socket::generate_key();
        let (mut headers, _) = self.auth_headers(None).await?;
        headers.extend(upgrade_headers(&key));
        let response = self.send(&call, &params, headers).await?;
        if response.status() != http::StatusCode::SWITCHING_PROTOCOLS {
            let status = response.status().as_u16();
            return Err(match self.read_response(&call, response).await {
                Err(error) if !NOT_UPGRADED.contains(&status) => error.into(),
                _ => TerminalError::NoUpgrade { status },
            });
        }
        socket::check_accept(response.headers(), &key)?;
        let upgraded = response.upgrade().await.map_err(|e| Error::Ambiguous {
            call,
            status: Some(101),
            cause: with_causes(&e.without_url()),
        })?;
        Ok(socket::split(upgraded).await)
    }

    /// Waits for the two bytes that confirm the ticket, and returns what came behind them.
    async fn await_ok(&self, reader: &mut SocketReader) -> Result<bytes::Bytes, TerminalError> {
        let mut seen = bytes::BytesMut::new();
        while seen.len() < 2 {
            match reader.read().await {
                Ok(Some(bytes)) => seen.extend_from_slice(&bytes),
                // A refused ticket is a closed connection and nothing else.
                Ok(None) | Err(TerminalError::Lost(_)) => return Err(self.rejected()),
                Err(error) => return Err(error),
            }
        }
        if &seen[..2] != b"OK" {
            return Err(TerminalError::Protocol(
                "the host did not say OK".to_owned(),
            ));
        }
        Ok(seen.split_off(2).freeze())
    }

    fn rejected(&self) -> TerminalError {
        TerminalError::AuthUnsupported {
            account: self.account().to_owned(),
        }
    }
}

fn upgrade_headers(key: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert("sec-websocket-version", HeaderValue::from_static("13"));
    // Older hosts close a connection that does not ask for this subprotocol.
    headers.insert("sec-websocket-protocol", HeaderValue::from_static("binary"));
    let key = HeaderValue::from_str(key).expect("base64 is valid in a header");
    headers.insert("sec-websocket-key", key);
    headers
}
