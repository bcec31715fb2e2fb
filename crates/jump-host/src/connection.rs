//! One client's connection: its login, and the channels to machines.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use russh::keys::{Algorithm, HashAlg, PublicKey};
use russh::server::{
    Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Response, Session, VerifiedPublicKey,
};
use russh::{Channel, ChannelId, ChannelOpenFailure, MethodSet};
use tokio::io::copy_bidirectional;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::{JumpPolicy, JumpRefusal, Machine};

/// Channels of one client at a time.
const MOST_CHANNELS: usize = 8;
/// Sessions that one client may open in all. Each is shown the help and kept until the client closes
/// it, so that an unbounded number would fill the memory.
const MOST_SESSIONS: usize = 8;

/// Whether the client has logged in; shared with the connection's task.
#[derive(Clone)]
pub(crate) struct LoginState(Arc<watch::Sender<bool>>);

impl Default for LoginState {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl LoginState {
    /// Completes after this time if the client has not logged in by then, and otherwise never.
    pub(crate) async fn missing_after(&self, time: Duration) {
        let mut state = self.0.subscribe();
        let logged_in = timeout(time, state.wait_for(|done| *done)).await;
        if logged_in.is_ok_and(|state| state.is_ok()) {
            std::future::pending::<()>().await;
        }
    }
}

/// How many connections to machines a client has open; shared with the connection's task.
#[derive(Clone)]
pub(crate) struct OpenMachines(Arc<watch::Sender<usize>>);

impl Default for OpenMachines {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl OpenMachines {
    fn count_one(&self) -> OpenMachine {
        self.0.send_modify(|open| *open += 1);
        OpenMachine(self.clone())
    }

    /// Completes once there was none for this time.
    pub(crate) async fn none_for(&self, time: Duration) {
        let mut open = self.0.subscribe();
        loop {
            let opened = open.wait_for(|open| *open > 0);
            if timeout(time, opened).await.is_err() {
                return;
            }
            // The sender is in `self`.
            let _ = open.wait_for(|open| *open == 0).await;
        }
    }
}

/// A connection to a machine, until this is dropped.
struct OpenMachine(OpenMachines);

impl Drop for OpenMachine {
    fn drop(&mut self) {
        self.0.0.send_modify(|open| *open -= 1);
    }
}

/// The server's side of a connection.
pub(crate) struct Connection {
    policy: Arc<dyn JumpPolicy>,
    help: Arc<str>,
    login: LoginState,
    machines: OpenMachines,
    /// The fingerprint of the key that the client has proved.
    fingerprint: Option<Arc<str>>,
    channels: Arc<AtomicUsize>,
    /// How many channels for a shell or a command were opened, and those that were not shown the
    /// help yet.
    sessions: usize,
    awaiting_help: HashSet<ChannelId>,
}

/// A channel among those of its client, until this is dropped.
struct ChannelPlace(Arc<AtomicUsize>);

impl Drop for ChannelPlace {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connection {
    pub(crate) fn new(
        policy: Arc<dyn JumpPolicy>,
        help: Arc<str>,
        login: LoginState,
        machines: OpenMachines,
    ) -> Self {
        Self {
            policy,
            help,
            login,
            machines,
            fingerprint: None,
            channels: Arc::default(),
            sessions: 0,
            awaiting_help: HashSet::new(),
        }
    }

    fn take_place(&self) -> Option<ChannelPlace> {
        let taken = self.channels.fetch_add(1, Ordering::Relaxed);
        // Given back at once if it is one too many.
        let place = ChannelPlace(self.channels.clone());
        (taken < MOST_CHANNELS).then_some(place)
    }

    /// Says what this server is for, and ends the channel as a command that failed. Once: a client
    /// that reads nothing would have each text kept for it.
    fn say_help(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), russh::Error> {
        if !self.awaiting_help.remove(&channel) {
            return session.channel_failure(channel);
        }
        session.channel_success(channel)?;
        session.extended_data(channel, 1, self.help.replace('\n', "\r\n"))?;
        session.exit_status_request(channel, 1)?;
        session.eof(channel)?;
        session.close(channel)
    }
}

fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

impl Handler for Connection {
    type Error = russh::Error;

    async fn auth_publickey_offered(
        &mut self,
        _user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, Self::Error> {
        let is_rsa = matches!(offer.public_key.algorithm(), Algorithm::Rsa { .. });
        let known = !is_rsa && self.policy.knows(&fingerprint(offer.public_key)).await;
        Ok(match known {
            true => Auth::Accept,
            false => Auth::reject(),
        })
    }

    async fn auth_publickey(
        &mut self,
        _user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        self.fingerprint = Some(fingerprint(key.public_key).into());
        Ok(Auth::Accept)
    }

    /// Comes after the client's keys, and asks for nothing: it is the one way to tell a client why
    /// it is refused.
    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _user: &str,
        _submethods: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, Self::Error> {
        Ok(match response {
            None => Auth::Partial {
                name: "".into(),
                instructions: self.help.to_string().into(),
                prompts: (&[]).into(),
            },
            Some(_) => Auth::Reject {
                proceed_with_methods: Some(MethodSet::empty()),
                partial_success: false,
            },
        })
    }

    async fn auth_succeeded(&mut self, _session: &mut Session) -> Result<(), Self::Error> {
        self.login.0.send_replace(true);
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host: &str,
        port: u32,
        _originator: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        let (Some(fingerprint), Some(place)) = (self.fingerprint.clone(), self.take_place()) else {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        };
        let (policy, host) = (self.policy.clone(), host.to_owned());
        let machines = self.machines.clone();
        let port = u16::try_from(port).unwrap_or(0);
        tokio::spawn(async move {
            let _place = place;
            let opened = policy.open(&fingerprint, &host, port).await;
            let Machine { mut stream, over } = match opened {
                Ok(machine) => machine,
                Err(refusal) => return reply.reject(failure(refusal)).await,
            };
            let _open = machines.count_one();
            reply.accept().await;
            let mut client = channel.into_stream();
            tokio::select! {
                // Either side may break off.
                _ = copy_bidirectional(&mut client, &mut stream) => {}
                () = over => {}
            }
        });
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        if self.sessions >= MOST_SESSIONS {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        }
        self.sessions += 1;
        self.awaiting_help.insert(channel.id());
        reply.accept().await;
        Ok(())
    }

    async fn shell_request(
        &mut self,
        channel: ChannelId,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.say_help(channel, session)
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        _command: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.say_help(channel, session)
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        _name: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.say_help(channel, session)
    }
}

fn failure(refusal: JumpRefusal) -> ChannelOpenFailure {
    match refusal {
        JumpRefusal::Prohibited => ChannelOpenFailure::AdministrativelyProhibited,
        JumpRefusal::Unreachable => ChannelOpenFailure::ConnectFailed,
        JumpRefusal::Full => ChannelOpenFailure::ResourceShortage,
    }
}
