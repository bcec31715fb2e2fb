//! The jump host's decisions: which keys lead to which containers.

use std::{net::IpAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use jump_host::{JumpHost, JumpPolicy, JumpRefusal, Machine};
use service::concurrency::ConcurrencyLimit;

use crate::{
    config::JumpHostConfig,
    ids::LeaseId,
    lease::{
        guest::{
            connect,
            stream::{self, NoStream, StillAllowed},
        },
        ports::name,
        ssh,
    },
    memory::guest_streams::StreamKind,
    state::App,
    store::Lease,
};

/// Connections of all clients at a time, and of one network.
const CONNECTIONS: usize = 512;
const PER_NETWORK: usize = 32;
/// Leases of one key that are looked through.
const MOST_LEASES: u32 = 100;
/// After how long without a byte a connection is closed.
const LONGEST_IDLE: Duration = Duration::from_secs(3600);
/// After how long without a connection into a container a client is let go: it may have logged in
/// with the key of a lease that has ended since.
const LONGEST_UNUSED: Duration = Duration::from_secs(600);

/// The jump host of this service.
pub fn jump_host(app: &App, config: &JumpHostConfig) -> JumpHost {
    let api = &app.config.public_base_url;
    let help = format!(
        "This is a jump host: it leads to the containers of your leases, by keys that are added to them.\n\
         It has no shell. Use `ssh -J {host} root@NAME`; GET {api}/lease/LEASE/ssh gives the name and a block for ~/.ssh/config.\n\
         A key that is refused here is of no lease that runs, or an RSA key, which this server does not take.\n\
         RSA keys work by `ProxyCommand infra402 proxy LEASE`, or add an Ed25519 key: ssh-keygen -t ed25519.\n",
        host = config.address(),
    );
    let policy = Policy {
        app: app.clone(),
        connections: ConcurrencyLimit::new(CONNECTIONS, PER_NETWORK),
    };
    JumpHost {
        key: app.installation.jump_host_key(),
        policy: Arc::new(policy),
        help: help.into(),
        longest_unused: LONGEST_UNUSED,
    }
}

struct Policy {
    app: App,
    connections: ConcurrencyLimit,
}

impl Policy {
    /// The running lease of this name that has the key.
    async fn lease(&self, fingerprint: &str, host: &str) -> Option<Lease> {
        let host = host.to_ascii_lowercase();
        if !name::is_name(&host) {
            return None;
        }
        let found = self.app.store.lease_by_guest_name(&host).await;
        let lease = found.unwrap_or_else(|error| {
            tracing::error!(%error, "a lease cannot be looked up for the jump host");
            None
        })?;
        let keys = self.app.store.ssh_keys(&lease.lease_id).await.ok()?;
        let has_key = keys.iter().any(|key| key.fingerprint == fingerprint);
        (has_key && stream::runs(&self.app, &lease)).then_some(lease)
    }

    /// Whether a key still leads to a lease that runs.
    fn still_allowed(&self, id: &LeaseId, fingerprint: &str) -> StillAllowed {
        let runs = ssh::still_allowed(&self.app, id);
        let (app, id, fingerprint) = (self.app.clone(), id.clone(), fingerprint.to_owned());
        Box::new(move || {
            let runs = runs();
            let (app, id, fingerprint) = (app.clone(), id.clone(), fingerprint.clone());
            Box::pin(async move {
                let keys = app.store.ssh_keys(&id).await?;
                Ok(keys.iter().any(|key| key.fingerprint == fingerprint) && runs.await?)
            })
        })
    }
}

#[async_trait]
impl JumpPolicy for Policy {
    fn admit(&self, peer: IpAddr) -> Option<Box<dyn Send>> {
        if self.app.free_calls.count(peer).is_err() {
            return None;
        }
        let permit = self.connections.acquire(Some(peer)).ok()?;
        Some(Box::new(permit))
    }

    async fn knows(&self, fingerprint: &str) -> bool {
        let found = self
            .app
            .store
            .leases_by_ssh_key(fingerprint, MOST_LEASES)
            .await;
        match found {
            Ok(leases) => leases.iter().any(|lease| stream::runs(&self.app, lease)),
            Err(error) => {
                tracing::error!(%error, "a key cannot be looked up for the jump host");
                false
            }
        }
    }

    async fn open(&self, fingerprint: &str, host: &str, port: u16) -> Result<Machine, JumpRefusal> {
        if port != connect::SSH_PORT {
            return Err(JumpRefusal::Prohibited);
        }
        let lease = self.lease(fingerprint, host).await;
        let lease = lease.ok_or(JumpRefusal::Prohibited)?;
        let allowed = self.still_allowed(&lease.lease_id, fingerprint);
        let wanted = (StreamKind::Ssh, port);
        match stream::open(&self.app, &lease, wanted, LONGEST_IDLE, allowed).await {
            Ok(stream) => Ok(Machine {
                over: stream.over(),
                stream: Box::new(stream),
            }),
            Err(NoStream::Full) => Err(JumpRefusal::Full),
            Err(NoStream::Over) => Err(JumpRefusal::Prohibited),
            Err(refused) => {
                tracing::debug!(
                    lease.id = lease.lease_id.as_str(),
                    ?refused,
                    "no way to a container for the jump host"
                );
                Err(JumpRefusal::Unreachable)
            }
        }
    }
}
