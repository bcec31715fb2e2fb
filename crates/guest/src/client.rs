//! Handles what a guest's SSH server sends: checks its host key, and refuses the channels that it
//! opens.

use std::sync::{Arc, Mutex, PoisonError};

use russh::client::{ChannelOpenHandle, DisconnectReason, Handler, Msg, Session};
use russh::keys::PublicKeyOrCertificate;
use russh::{Channel, Disconnect};

use crate::pin::HostKeys;

/// How a connection ended, as far as a login's failure depends on it.
pub(crate) enum Ended {
    /// The server wants no more tries of a login.
    TooManyTries,
    /// Any other end.
    Otherwise,
}

/// Checks the server's host key and refuses the channels that it opens.
pub(crate) struct Client {
    host_keys: HostKeys,
    ended: Arc<Mutex<Option<Ended>>>,
}

impl Client {
    pub(crate) fn new(host_keys: HostKeys) -> Self {
        let ended = Arc::default();
        Self { host_keys, ended }
    }

    /// Where it is noted how the connection ended.
    pub(crate) fn ended(&self) -> Arc<Mutex<Option<Ended>>> {
        self.ended.clone()
    }
}

impl Handler for Client {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        key: &PublicKeyOrCertificate,
    ) -> Result<bool, russh::Error> {
        Ok(match key {
            PublicKeyOrCertificate::PublicKey { key, .. } => self.host_keys.matches(key),
            PublicKeyOrCertificate::Certificate(_) => false,
        })
    }

    async fn disconnected(
        &mut self,
        reason: DisconnectReason<russh::Error>,
    ) -> Result<(), russh::Error> {
        let ended = match &reason {
            DisconnectReason::ReceivedDisconnect(info)
                if matches!(
                    info.reason_code,
                    Disconnect::ProtocolError | Disconnect::NoMoreAuthMethodsAvailable
                ) =>
            {
                Ended::TooManyTries
            }
            _ => Ended::Otherwise,
        };
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended);
        match reason {
            DisconnectReason::ReceivedDisconnect(_) => Ok(()),
            DisconnectReason::Error(error) => Err(error),
        }
    }

    // russh accepts these unless they are overridden, and each would take memory for as long as
    // the server likes. Dropping `reply` refuses.

    async fn server_channel_open_session(
        &mut self,
        _: Channel<Msg>,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        Ok(())
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        Ok(())
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        Ok(())
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _: Channel<Msg>,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        Ok(())
    }
}
