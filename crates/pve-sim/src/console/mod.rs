//! Connects the WebSocket of a terminal to the container's session: handshake, ticket, framing,
//! end.

mod defects;
mod interface;
mod messages;
mod relay;
mod websocket;

use std::sync::Arc;

use http::{Request, Response};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use crate::cluster::Cluster;
use crate::faults::FaultKind;
use crate::response::ErrorResponse;
use crate::wire::Reset;
use relay::Relay;

/// A request to upgrade a connection to a terminal.
pub(crate) struct TerminalUpgrade {
    pub(crate) upgrade: OnUpgrade,
    pub(crate) request: Request<()>,
    pub(crate) port: u16,
    pub(crate) fault: Option<FaultKind>,
    pub(crate) reset: Reset,
}

impl TerminalUpgrade {
    /// Accepts the handshake, and serves the terminal once the response was sent.
    pub(crate) fn accept<B: Default>(
        self,
        cluster: &Arc<Cluster>,
    ) -> Result<Response<B>, ErrorResponse> {
        let port = self.port;
        let response = websocket::handshake(self.request.method(), self.request.headers())?;
        let waiting = cluster.terminals.claim(port).ok_or_else(|| {
            ErrorResponse::bare(
                501,
                format!("connect to 'localhost:{port}' failed: Connection refused"),
            )
        })?;
        let relay = Relay {
            cluster: cluster.clone(),
            port,
            fault: self.fault,
            reset: self.reset,
        };
        cluster.spawn(async move {
            // Without an upgrade the client has disconnected.
            if let Ok(upgraded) = self.upgrade.await {
                relay.run(TokioIo::new(upgraded), waiting).await;
            }
        });
        Ok(response)
    }
}
