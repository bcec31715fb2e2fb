//! One SSH connection: who may log in, which channels there are, and which requests they get.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use russh::keys::PublicKey;
use russh::server::{
    Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey,
};
use russh::{Channel, ChannelId, ChannelOpenFailure, Pty, Sig};

use super::authorized_keys::{self, KeyOptions};
use super::forward::{self, OwnSsh};
use super::guest::GuestArguments;
use super::handing::ConnectionOrder;
use super::session::{Program, RunningSession, SessionPlan};
use super::shell::ScreenSize;

/// Whether a login was tried, and succeeded; shared with the connection's server.
#[derive(Clone, Default)]
pub(super) struct Login(Arc<[AtomicBool; 2]>);

impl Login {
    pub(super) fn was_tried(&self) -> bool {
        self.0[0].load(Ordering::Relaxed)
    }

    pub(super) fn succeeded(&self) -> bool {
        self.0[1].load(Ordering::Relaxed)
    }

    fn record(&self, accepted: bool) {
        self.0[0].store(true, Ordering::Relaxed);
        self.0[1].fetch_or(accepted, Ordering::Relaxed);
    }
}

/// The server's side of one connection.
pub(super) struct Connection {
    arguments: Arc<GuestArguments>,
    order: ConnectionOrder,
    login: Login,
    own_ssh: OwnSsh,
    /// What the key permits that the client logged in with.
    options: KeyOptions,
    sessions: HashMap<ChannelId, SessionState>,
}

enum SessionState {
    /// Nothing runs in it yet.
    Waiting(Channel<Msg>, SessionPlan),
    Running(RunningSession),
}

impl Connection {
    pub(super) fn new(
        arguments: Arc<GuestArguments>,
        order: ConnectionOrder,
        login: Login,
        own_ssh: OwnSsh,
    ) -> Self {
        Self {
            arguments,
            order,
            login,
            own_ssh,
            options: KeyOptions::default(),
            sessions: HashMap::new(),
        }
    }

    /// What the container's `authorized_keys` permits this key.
    fn permitted(&self, user: &str, key: &PublicKey) -> Option<KeyOptions> {
        if user != "root" || self.order.defects.no_keys {
            return None;
        }
        let file = self.arguments.home.join(".ssh/authorized_keys");
        let text = std::fs::read_to_string(file).ok()?;
        authorized_keys::find(&text, key, self.order.peer.ip())
    }

    /// Starts what a channel asks for, and answers.
    fn start(
        &mut self,
        channel: ChannelId,
        program: Program,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let Some(SessionState::Waiting(open, mut plan)) = self.sessions.remove(&channel) else {
            // A channel runs one program.
            return session.channel_failure(channel);
        };
        let asked = match &program {
            Program::Command(command) => Some(String::from_utf8_lossy(command).into_owned()),
            _ => None,
        };
        let program = match &self.options.command {
            Some(forced) => {
                let asked = asked.unwrap_or_default();
                plan.environment
                    .push(("SSH_ORIGINAL_COMMAND".into(), asked));
                Program::Command(forced.clone().into_bytes())
            }
            None => program,
        };
        match plan.start(&self.arguments, program, open, session.handle()) {
            Ok(running) => {
                self.sessions
                    .insert(channel, SessionState::Running(running));
                session.channel_success(channel)
            }
            Err(error) => {
                super::report(&format!("a program cannot be started: {error}"));
                session.channel_failure(channel)
            }
        }
    }

    /// The channels whose programs have not ended. A place is free as soon as this side has closed
    /// the channel.
    fn open_sessions(&mut self) -> usize {
        self.sessions.retain(|_, state| match state {
            SessionState::Waiting(..) => true,
            SessionState::Running(running) => !running.is_over(),
        });
        self.sessions.len()
    }
}

impl Handler for Connection {
    type Error = russh::Error;

    async fn auth_publickey_offered(
        &mut self,
        user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, Self::Error> {
        if self.permitted(user, offer.public_key).is_some() {
            return Ok(Auth::Accept);
        }
        self.login.record(false);
        Ok(Auth::reject())
    }

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        let permitted = self.permitted(user, key.public_key);
        self.login.record(permitted.is_some());
        let Some(options) = permitted else {
            return Ok(Auth::reject());
        };
        self.options = options;
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        if self.open_sessions() >= self.order.defects.max_sessions {
            reply.reject(ChannelOpenFailure::ConnectFailed).await;
            return Ok(());
        }
        let plan = SessionPlan::new(&self.arguments, &self.order);
        self.sessions
            .insert(channel.id(), SessionState::Waiting(channel, plan));
        reply.accept().await;
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
        let port = u16::try_from(port).unwrap_or(0);
        if !self.options.may_open(host, port) {
            reply
                .reject(ChannelOpenFailure::AdministrativelyProhibited)
                .await;
            return Ok(());
        }
        let own = self.order.address.clone();
        let own_ssh = self.own_ssh.clone();
        let open = forward::open(channel, host.to_owned(), port, own, own_ssh, reply);
        tokio::spawn(open);
        Ok(())
    }

    async fn channel_close(
        &mut self,
        channel: ChannelId,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        if let Some(SessionState::Running(running)) = self.sessions.remove(&channel) {
            running.hang_up();
        }
        Ok(())
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        term: &str,
        columns: u32,
        rows: u32,
        _width: u32,
        _height: u32,
        _modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        match self.sessions.get_mut(&channel) {
            Some(SessionState::Waiting(_, plan)) if self.options.terminal => {
                plan.environment.push(("TERM".into(), term.to_owned()));
                plan.terminal = Some(ScreenSize::new(columns, rows));
                session.channel_success(channel)
            }
            _ => session.channel_failure(channel),
        }
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        value: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        match self.sessions.get_mut(&channel) {
            Some(SessionState::Waiting(_, plan)) if name == "LANG" => {
                plan.environment.push((name.to_owned(), value.to_owned()));
                session.channel_success(channel)
            }
            _ => session.channel_failure(channel),
        }
    }

    async fn shell_request(
        &mut self,
        channel: ChannelId,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.start(channel, Program::Shell, session)
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.start(channel, Program::Command(command.to_vec()), session)
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        match name {
            "sftp" => self.start(channel, Program::Sftp, session),
            _ => session.channel_failure(channel),
        }
    }

    async fn window_change_request(
        &mut self,
        channel: ChannelId,
        columns: u32,
        rows: u32,
        _width: u32,
        _height: u32,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        if let Some(SessionState::Running(running)) = self.sessions.get(&channel) {
            running.resize(ScreenSize::new(columns, rows));
        }
        Ok(())
    }

    async fn signal(
        &mut self,
        channel: ChannelId,
        signal: Sig,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        if let Some(SessionState::Running(running)) = self.sessions.get(&channel) {
            running.signal(&signal);
        }
        Ok(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        for (_, state) in self.sessions.drain() {
            if let SessionState::Running(running) = state {
                running.hang_up();
            }
        }
    }
}
