//! Customers' own SSH: the keys that let them in, and what their clients have to know. Both ways,
//! the jump host and the API's WebSocket, end at the SSH server of the container itself, so that
//! neither keys nor what is typed are seen by this service.

pub mod keys;

use std::sync::Arc;
use std::time::Duration;

use ::guest::{CommandRequest, Guest, HostKeys};
use api_types::{SshAccess, SshJumpHost};
use tokio::time::timeout;

use crate::{
    error::ApiError,
    ids::LeaseId,
    lease::{
        guest::{
            connect, host_keys, script,
            stream::{self, StillAllowed},
        },
        ports::name,
    },
    state::App,
    store::{Lease, StoreError},
};

/// How long the view of a lease may wait for the container's public host keys.
const VIEW_TIMEOUT: Duration = Duration::from_secs(1);

/// How to reach a lease's container with an SSH client.
///
/// # Errors
/// There is no SSH into the container, or the store failed.
pub async fn describe(app: &App, lease: &Lease) -> Result<SshAccess, ApiError> {
    let id = &lease.lease_id;
    let named = app
        .store
        .guest_name_or(id, &name::fresh(), app.now())
        .await?;
    if named.taken_down.is_some() {
        return Err(name::taken_down());
    }
    let guest = connect::ssh_only(app, lease).await?;
    let keys = public_host_keys(app, lease, &guest).await?;
    Ok(description(app, lease, named.name, &keys))
}

/// The same for the view and the answer of a lease, as far as it is known without a new connection
/// to the container. A failure is logged; the owner can ask for it.
pub async fn in_view(app: &App, lease: &Lease) -> Option<SshAccess> {
    let id = &lease.lease_id;
    let keys = match read_before(app, lease) {
        Some(keys) => keys,
        None => {
            let guest = connect::ssh_connected(app, lease)?;
            let reading = public_host_keys(app, lease, &guest);
            timeout(VIEW_TIMEOUT, reading).await.ok()?.ok()?
        }
    };
    let named = app.store.guest_name_or(id, &name::fresh(), app.now()).await;
    match named {
        Ok(named) if named.taken_down.is_some() => None,
        Ok(named) => Some(description(app, lease, named.name, &keys)),
        Err(error) => {
            tracing::error!(%error, lease.id = id.as_str(), "the name of a container cannot be read");
            None
        }
    }
}

fn description(app: &App, lease: &Lease, host: String, keys: &[String]) -> SshAccess {
    let id = &lease.lease_id;
    let mut known_hosts: Vec<String> = keys.iter().map(|key| format!("{host} {key}")).collect();
    let jump_host = app.config.jump_host.as_ref().map(|config| SshJumpHost {
        host: config.host.clone(),
        port: config.listen.port(),
        host_key: app.installation.jump_host_key().public_line(),
    });
    let api = &app.config.public_base_url;
    let proxy_command = format!("infra402 --api {api} proxy {id}");
    let mut config = format!(
        "Host {host} {}\n    HostName {host}\n    User root\n    HostKeyAlias {host}\n",
        lease.hostname
    );
    match &app.config.jump_host {
        Some(jump) => {
            config += &format!("    ProxyJump infra402@{}\n", jump.address());
            let key = app.installation.jump_host_key().public_line();
            known_hosts.push(format!("{} {key}", jump.known_host()));
        }
        None => config += &format!("    ProxyCommand {proxy_command}\n"),
    }
    SshAccess {
        host,
        user: "root".into(),
        jump_host,
        proxy_url: proxy_url(api, id),
        proxy_command,
        config,
        known_hosts,
    }
}

/// Whether the operator has taken down the name of the lease's container, and with it the owner's
/// SSH.
///
/// # Errors
/// The store failed.
pub async fn is_taken_down(app: &App, id: &LeaseId) -> Result<bool, StoreError> {
    let named = app.store.guest_name(id).await?;
    Ok(named.is_some_and(|named| named.taken_down.is_some()))
}

/// Whether a lease's paid time still runs and its name is up, for connections that are open.
pub fn still_allowed(app: &App, id: &LeaseId) -> StillAllowed {
    let (app, id) = (app.clone(), id.clone());
    Box::new(move || {
        let (app, id) = (app.clone(), id.clone());
        Box::pin(async move {
            let lease = app.store.lease(&id).await?;
            let runs = lease.is_some_and(|lease| stream::runs(&app, &lease));
            Ok(runs && !is_taken_down(&app, &id).await?)
        })
    })
}

/// The public host keys that the container has in its files, as far as they are the known ones.
async fn public_host_keys(
    app: &App,
    lease: &Lease,
    guest: &Guest,
) -> Result<Arc<[String]>, ApiError> {
    if let Some(keys) = read_before(app, lease) {
        return Ok(keys);
    }
    let fingerprints = lease.host_keys.as_deref().unwrap_or_default();
    let known = HostKeys::parse(fingerprints).unwrap_or_default();
    let shown = script::run(guest, CommandRequest::new(host_keys::SHOW_KEYS)).await?;
    let shown = known.known_public_keys(&String::from_utf8_lossy(&shown.stdout));
    let keys: Arc<[String]> = shown.into();
    // A server that shows none may do so later.
    if !keys.is_empty() {
        let id = &lease.lease_id;
        app.public_host_keys.keep(id, fingerprints, keys.clone());
    }
    Ok(keys)
}

fn read_before(app: &App, lease: &Lease) -> Option<Arc<[String]>> {
    let fingerprints = lease.host_keys.as_deref()?;
    app.public_host_keys.of(&lease.lease_id, fingerprints)
}

/// The address of the WebSocket that carries a connection to the container's SSH server.
fn proxy_url(api: &str, id: &LeaseId) -> String {
    let api = match api.split_once("://") {
        Some(("https", rest)) => format!("wss://{rest}"),
        Some((_, rest)) => format!("ws://{rest}"),
        None => api.to_owned(),
    };
    format!("{api}/lease/{id}/proxy")
}
