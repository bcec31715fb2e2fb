//! Decides whether SSH or the terminal is used for a lease's container, and remembers why.

use std::time::Duration;

use ::guest::{Guest, GuestError, GuestKey, GuestTarget, HostKeys};
use api_types::{GuestAccess, GuestRoute};
use ipnet::IpNet;
use pve::TerminalError;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::{address, host_keys};
use crate::{
    config::GuestConfig,
    error::ApiError,
    ids::LeaseId,
    installation::Installation,
    lease::container::locate,
    memory::guest_routes::{RouteTry, SshObstacle},
    state::App,
    store::Lease,
};

/// How long a connection with its login may take before the terminal is used.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The port of the container's SSH server.
pub const SSH_PORT: u16 = 22;
/// How long a server that refuses connections after a start is waited for, and how often it is
/// tried. A connection that is refused costs the server nothing.
const START_TIMEOUT: Duration = Duration::from_secs(30);
const START_INTERVAL: Duration = Duration::from_millis(250);

/// Why no SSH connection was made.
#[derive(Debug)]
pub enum NoSsh {
    /// The terminal may be used.
    Obstacle(SshObstacle),
    /// Too many connections to the container are in use; another way would not help.
    Full,
}

/// A connection into the lease's container by SSH.
///
/// # Errors
/// There is none, for a reason that is remembered for a while.
pub async fn ssh(app: &App, lease: &Lease) -> Result<Guest, NoSsh> {
    let found = try_ssh(app, lease, LostKeys::AskTerminal).await;
    found.map_err(|none| none.shown(lease))
}

/// The same for a console.
///
/// # Errors
/// There is none, for a reason that is remembered for a while.
pub async fn ssh_for_console(app: &App, lease: &Lease) -> Result<Guest, NoSsh> {
    let found = try_ssh(app, lease, LostKeys::Leave).await;
    found.map_err(|none| none.shown(lease))
}

/// What is done where the container's host keys are not known or are others by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LostKeys {
    /// They are asked for over the terminal, in the background.
    AskTerminal,
    /// Nothing: the question would end the shell that the customer left in the terminal.
    Leave,
}

impl NoSsh {
    /// As the owner may see it.
    fn shown(self, lease: &Lease) -> Self {
        match self {
            Self::Obstacle(obstacle) => Self::Obstacle(obstacle.shown(is_claimed(lease))),
            Self::Full => Self::Full,
        }
    }
}

/// Whether the container's address is what the container says, and not one that the service has
/// given it.
fn is_claimed(lease: &Lease) -> bool {
    lease.address.is_none()
}

/// The same, with the obstacle as it was found.
async fn try_ssh(app: &App, lease: &Lease, lost_keys: LostKeys) -> Result<Guest, NoSsh> {
    let id = &lease.lease_id;
    let may_ask = lost_keys == LostKeys::AskTerminal;
    let target = target(app, lease).map_err(|obstacle| {
        if obstacle == SshObstacle::NoHostKey && may_ask {
            learn_host_keys(app, lease);
        }
        NoSsh::Obstacle(obstacle)
    })?;
    if let Some(obstacle) = app.guest_routes.obstacle(id, app.clock.monotonic_millis()) {
        return Err(NoSsh::Obstacle(obstacle));
    }
    let until = Instant::now() + CONNECT_TIMEOUT;
    let begun = app.guest_routes.begin_try(id);
    let found = if address::is_allowed(app, target.address).await {
        connect(app.guests.guest(target)).await?
    } else {
        Err(SshObstacle::AddressRefused)
    };
    remember(app, id, begun, found.as_ref().err().copied());
    if let Err(obstacle) = found
        && obstacle.is_about_the_address()
    {
        if is_claimed(lease) {
            // The time that it takes tells nothing either, and neither does a look at the keys.
            sleep_until(until).await;
        } else if obstacle == SshObstacle::HostKeyChanged && may_ask {
            host_keys::learn_later(app, lease);
        }
    }
    found.map_err(NoSsh::Obstacle)
}

/// Logs in, if no connection is open yet.
async fn connect(guest: Guest) -> Result<Result<Guest, SshObstacle>, NoSsh> {
    Ok(match timeout(CONNECT_TIMEOUT, guest.probe()).await {
        Ok(Ok(())) => Ok(guest),
        Ok(Err(GuestError::TooMany)) => return Err(NoSsh::Full),
        Ok(Err(error)) => Err(obstacle(&error)),
        // The customer's other commands have every session; there will be one, or it is too many.
        Err(_) if guest.is_busy() => Ok(guest),
        Err(_) => Err(SshObstacle::Unreachable),
    })
}

/// The container, if a connection to it is open. Otherwise it has to be tried: only a try looks at
/// the address before it connects, and tells nothing of what is there.
pub fn ssh_connected(app: &App, lease: &Lease) -> Option<Guest> {
    let guest = app.guests.guest(target(app, lease).ok()?);
    let now = app.clock.monotonic_millis();
    let works = app.guest_routes.obstacle(&lease.lease_id, now).is_none();
    (works && guest.is_connected()).then_some(guest)
}

/// Asks the container for its host keys over its terminal, but not for every request.
fn learn_host_keys(app: &App, lease: &Lease) {
    let (id, now) = (&lease.lease_id, app.clock.monotonic_millis());
    if app.guest_routes.obstacle(id, now) != Some(SshObstacle::NoHostKey) {
        let begun = app.guest_routes.begin_try(id);
        app.guest_routes
            .remember(id, begun, Some(SshObstacle::NoHostKey), now);
        host_keys::learn_later(app, lease);
    }
}

/// The same for what only SSH can do.
///
/// # Errors
/// There is no SSH, and why.
pub async fn ssh_only(app: &App, lease: &Lease) -> Result<Guest, ApiError> {
    match ssh(app, lease).await {
        Ok(guest) => Ok(guest),
        Err(NoSsh::Obstacle(obstacle)) => Err(refusal(app, lease, obstacle).await),
        Err(NoSsh::Full) => Err(GuestError::TooMany.into()),
    }
}

/// The refusal of what needs SSH: a container that does not run is the better reason.
pub async fn refusal(app: &App, lease: &Lease, obstacle: SshObstacle) -> ApiError {
    if is_off(app, lease).await {
        app.guest_routes.forget(&lease.lease_id);
        return TerminalError::NotRunning.into();
    }
    super::error::ssh_unavailable(obstacle)
}

/// Whether Proxmox says that the container does not run.
async fn is_off(app: &App, lease: &Lease) -> bool {
    let Ok(location) = locate::find(app, lease).await else {
        return false;
    };
    let client = &app.proxmox.client;
    let found = client.container(&location.node, location.vmid).await;
    found.is_ok_and(|container| !container.is_running())
}

/// Tries SSH until the container's server has had the time to start, so that the first command
/// finds it ready. In a task of its own.
pub fn try_after_start(app: &App, lease: &Lease) {
    if target(app, lease).is_err() {
        return;
    }
    let (app, id) = (app.clone(), lease.lease_id.clone());
    tokio::spawn(async move { try_now(&app, &id).await });
}

/// Tries SSH, whatever was found out before, and while the container's server still starts.
pub async fn try_now(app: &App, id: &LeaseId) {
    let until = Instant::now() + START_TIMEOUT;
    loop {
        app.guest_routes.forget(id);
        // Read again: its address or host keys may be others by now.
        let Ok(Some(lease)) = app.store.lease(id).await else {
            return;
        };
        let starts = matches!(
            try_ssh(app, &lease, LostKeys::AskTerminal).await,
            Err(NoSsh::Obstacle(SshObstacle::Refused))
        );
        if !starts || Instant::now() >= until {
            return;
        }
        sleep(START_INTERVAL).await;
    }
}

/// Tries SSH once, whatever was found out before, but not in quick succession; the way that is used
/// now.
pub async fn try_once(app: &App, lease: &Lease) -> GuestAccess {
    let id = &lease.lease_id;
    if app.guest_routes.may_ask(id, app.clock.monotonic_millis()) {
        app.guest_routes.forget(id);
        // Another try may have begun meanwhile, after which this one is not remembered.
        if let Err(NoSsh::Obstacle(obstacle)) = ssh(app, lease).await {
            if is_off(app, lease).await {
                app.guest_routes.forget(id);
                return described(Some(SshObstacle::NotRunning));
            }
            return described(Some(obstacle));
        }
    }
    access(app, lease)
}

/// The way into a running container, as its owner sees it. Nothing is tried for it.
pub fn access(app: &App, lease: &Lease) -> GuestAccess {
    let obstacle = match target(app, lease) {
        Err(obstacle) => Some(obstacle),
        Ok(_) => app.guest_routes.last(&lease.lease_id).flatten(),
    };
    described(obstacle.map(|obstacle| obstacle.shown(is_claimed(lease))))
}

/// The way that is used with this obstacle, which is one that the owner may see.
fn described(obstacle: Option<SshObstacle>) -> GuestAccess {
    GuestAccess {
        via: match obstacle {
            None => GuestRoute::Ssh,
            Some(_) => GuestRoute::Terminal,
        },
        reason: obstacle.map(|obstacle| obstacle.sentence().to_owned()),
        can_set_up: obstacle.is_some_and(SshObstacle::can_be_removed),
        temporary: obstacle.is_some_and(SshObstacle::may_pass),
    }
}

/// The address and the login of a lease's container, and its host keys.
fn target(app: &App, lease: &Lease) -> Result<GuestTarget, SshObstacle> {
    target_of(&app.config.guest, &app.installation, lease, app.now())
}

/// Whom to connect to at `now`, Unix seconds, and how to know them.
///
/// # Errors
/// SSH need not be tried.
pub fn target_of(
    config: &GuestConfig,
    installation: &Installation,
    lease: &Lease,
    now: i64,
) -> Result<GuestTarget, SshObstacle> {
    if !config.ssh {
        return Err(SshObstacle::Disabled);
    }
    if !lease.has_ssh_key {
        return Err(SshObstacle::NoKey);
    }
    let keys = lease.host_keys.as_deref().map(HostKeys::parse);
    let Some(Ok(host_keys)) = keys else {
        return Err(SshObstacle::NoHostKey);
    };
    if lease.network_ready_at.is_some_and(|at| at > now) {
        return Err(SshObstacle::NoNetwork);
    }
    let address = lease.address.as_ref().or(lease.ip.as_ref());
    let address = address.and_then(|address| address.parse().ok());
    Ok(GuestTarget {
        lease_id: lease.lease_id.to_string(),
        address: address.ok_or(SshObstacle::NoAddress)?,
        port: SSH_PORT,
        key: installation.guest_key(&lease.lease_id),
        host_keys,
    })
}

/// The line of `authorized_keys` that lets the service into a lease's container.
pub fn authorized_line(app: &App, id: &LeaseId) -> String {
    let key = app.installation.guest_key(id);
    line_of_key(&key, app.proxmox.config.network.ssh_source)
}

/// The line of `authorized_keys` that lets a key in from this network only, if one is given.
pub fn line_of_key(key: &GuestKey, source: Option<IpNet>) -> String {
    let source = source.map(|source| source.to_string());
    let line = key.authorized_line(source.as_deref());
    line.expect("a network of the configuration is a source that sshd reads")
}

fn remember(app: &App, id: &LeaseId, begun: RouteTry, found: Option<SshObstacle>) {
    if app.guest_routes.last(id) != Some(found) {
        let obstacle = found.map(SshObstacle::sentence);
        tracing::info!(
            lease.id = id.as_str(),
            obstacle,
            "the way into a container was found out"
        );
    }
    let now = app.clock.monotonic_millis();
    app.guest_routes.remember(id, begun, found, now);
}

/// The obstacle that a failed connection or login shows.
pub fn obstacle(error: &GuestError) -> SshObstacle {
    match error {
        // A server that restarts, or sends us away for some seconds, is soon tried again.
        GuestError::Refused | GuestError::Penalized | GuestError::Lost { .. } => {
            SshObstacle::Refused
        }
        GuestError::NotSsh => SshObstacle::NotSsh,
        GuestError::HostKeyMismatch => SshObstacle::HostKeyChanged,
        GuestError::AuthRefused => SshObstacle::LoginRefused,
        GuestError::NoHostKey => SshObstacle::NoHostKey,
        _ => SshObstacle::Unreachable,
    }
}
