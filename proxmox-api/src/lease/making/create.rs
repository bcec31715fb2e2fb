//! Creates the container of a lease: exactly one, whatever Proxmox answers. A creation that was
//! surely not executed is tried with another number or node; one that may have been executed is
//! searched for first. `operations::lease_container` calls it.

use std::collections::HashSet;
use std::time::Duration;

use api_types::{ErrorCode, Size};
use pve::{CreateContainer, NodeName, Refusal, RootFs, TaskOutcome, Upid, Vmid, WaitOptions};
use tokio::time::{Instant, sleep};

use crate::{
    config::FencePolicy,
    error::ApiError,
    ids::LeaseId,
    lease::{
        container::marker::{self, Marker},
        guest::{connect, host_keys},
        network::fence,
    },
    memory::fences::{Fence, SETTLES_AFTER},
    progress::Progress,
    state::App,
    store::{Lease, LeaseState, MadeContainer},
};

/// Numbers or nodes that are tried.
const TRIES: u32 = 5;
/// How long a creation of unknown outcome is looked for, and how often.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(3);
const SEARCH_INTERVAL: Duration = Duration::from_millis(250);

/// A container to be made.
#[derive(Debug, Clone)]
pub struct NewContainer {
    /// The lease that it is for.
    pub lease: Lease,
    /// Its number; another one where this is taken.
    pub vmid: Vmid,
    /// Its node; another one where this does not answer.
    pub node: NodeName,
    /// Its name.
    pub hostname: String,
    /// Its size.
    pub size: Size,
    /// The template's volume id.
    pub template: String,
    /// Root's password as a crypt string.
    pub password_hash: Option<pve::Secret>,
    /// Root's key.
    pub ssh_public_key: Option<String>,
}

/// The result of one request to create.
enum CreateAttempt {
    /// A task is making it, or has made it.
    Task(Upid),
    /// Another guest has the number.
    Taken,
    /// It was surely not executed; the node may be at fault.
    NotExecuted(ApiError),
}

/// Makes the container; the lease goes from `provisioning` to `created`.
///
/// # Errors
/// It cannot be made. Something may have been left half made: undo the lease.
pub async fn create(
    app: &App,
    container: &mut NewContainer,
    deadline: Instant,
    progress: &Progress,
) -> Result<(), ApiError> {
    let mut busy = HashSet::new();
    let mut avoided: Vec<NodeName> = Vec::new();
    let mut last = failed();
    for _ in 0..TRIES {
        step(
            app,
            &container.lease.lease_id,
            LeaseState::Provisioning,
            LeaseState::CreateSent,
        )
        .await?;
        progress.step("creating");
        // Another node may have another firewall.
        let fence = fence::require(app, &container.node).await?;
        let permit = app.proxmox.create_permit(&container.node).await;
        let outcome = match attempt(app, container, fence).await? {
            CreateAttempt::Task(upid) => {
                let made = wait_until_created(app, container, &upid, deadline).await?;
                drop(permit);
                let (id, now) = (&container.lease.lease_id, app.now());
                if !app.store.container_made(id, made, now).await? {
                    return Err(unexpected_state(
                        id,
                        LeaseState::CreateSent,
                        LeaseState::Created,
                    ));
                }
                return fence_in(app, container, fence).await;
            }
            other => other,
        };
        drop(permit);
        step(
            app,
            &container.lease.lease_id,
            LeaseState::CreateSent,
            LeaseState::Provisioning,
        )
        .await?;
        busy.insert(container.vmid);
        if let CreateAttempt::NotExecuted(error) = outcome {
            last = error;
            avoided.push(container.node.clone());
        }
        if Instant::now() >= deadline {
            break;
        }
        // With one node, or when all have failed, the same one gets another chance.
        container.node = match app
            .proxmox
            .pick_node(container.size, &container.template, &avoided)
            .await
        {
            Ok(node) => node,
            Err(_) => {
                avoided.clear();
                sleep(SEARCH_INTERVAL).await;
                container.node.clone()
            }
        };
        let vmids = app.proxmox.config.vmids.clone();
        let found = app
            .store
            .reassign_lease(
                &container.lease.lease_id,
                &container.node,
                vmids,
                busy.clone(),
                app.now(),
            )
            .await?;
        container.vmid = found.ok_or_else(|| {
            ApiError::new(
                ErrorCode::CapacityExhausted,
                "Every number for a container is taken.",
            )
        })?;
    }
    Err(last)
}

/// Moves the lease on; it is somewhere else only if another process works on it.
pub async fn step(
    app: &App,
    lease_id: &LeaseId,
    from: LeaseState,
    to: LeaseState,
) -> Result<(), ApiError> {
    if app.store.move_lease(lease_id, from, to, app.now()).await? {
        return Ok(());
    }
    Err(unexpected_state(lease_id, from, to))
}

fn unexpected_state(lease_id: &LeaseId, from: LeaseState, to: LeaseState) -> ApiError {
    tracing::error!(
        lease.id = lease_id.as_str(),
        from = from.as_str(),
        to = to.as_str(),
        "the lease is not in the expected state"
    );
    ApiError::new(
        ErrorCode::LeaseConflict,
        "Somebody else is working on this lease.",
    )
}

fn failed() -> ApiError {
    let message = "The container could not be made; nothing was charged.";
    ApiError::new(ErrorCode::ProvisioningFailed, message).retry_after(10)
}

/// Sets the container's firewall before it is started for the first time.
async fn fence_in(app: &App, container: &NewContainer, fence: Fence) -> Result<(), ApiError> {
    let (id, network) = (&container.lease.lease_id, &app.proxmox.config.network);
    if container.lease.address.is_none() {
        return Ok(());
    }
    if let Err(error) = fence::apply(&app.proxmox, &container.node, container.vmid).await {
        let cause = error.safe_text();
        tracing::error!(
            lease.id = id.as_str(),
            vmid = container.vmid.get(),
            error = cause,
            "the firewall of a container cannot be set"
        );
        // The bridge's own table needs no rules of the guest's.
        if network.fence == FencePolicy::Required && fence != Fence::Bridge {
            return Err(failed());
        }
    }
    if fence == Fence::Guest {
        let ready = app.now() + SETTLES_AFTER;
        app.store.keep_link_down(id, ready).await?;
        app.link_waits.begin(id, app.clock.monotonic_millis());
        app.links_moved.notify_one();
    }
    Ok(())
}

async fn attempt(
    app: &App,
    container: &NewContainer,
    fence: Fence,
) -> Result<CreateAttempt, ApiError> {
    let error = match app
        .proxmox
        .client
        .create(&container.node, &create_request(app, container, fence))
        .await
    {
        Ok(upid) => return Ok(CreateAttempt::Task(upid)),
        Err(error) => error,
    };
    if error.may_have_executed() {
        tracing::warn!(
            lease.id = container.lease.lease_id.as_str(),
            error = error.safe_text(),
            "the creation of a container has an unknown outcome"
        );
        return Ok(match find_creation(app, container).await {
            Some(upid) => CreateAttempt::Task(upid),
            None => CreateAttempt::NotExecuted(failed()),
        });
    }
    match error.refusal() {
        Some(Refusal::VmidTaken) => Ok(CreateAttempt::Taken),
        // Another node, or the same one a moment later, may do it.
        _ if error.is_transient() => Ok(CreateAttempt::NotExecuted(error.into())),
        _ => Err(error.into()),
    }
}

/// The task of a creation whose answer was lost. The number is taken before Proxmox answers, so a
/// number that stays free was not asked for.
async fn find_creation(app: &App, container: &NewContainer) -> Option<Upid> {
    let client = &app.proxmox.client;
    let deadline = Instant::now() + SEARCH_TIMEOUT;
    loop {
        let taken = match client.next_id(Some(container.vmid)).await {
            Err(error) => error.refusal() == Some(&Refusal::VmidTaken),
            Ok(_) => false,
        };
        if taken
            && let Ok(tasks) = client
                .tasks(&container.node, container.vmid, "vzcreate")
                .await
            && let Some(youngest) = tasks.into_iter().next()
        {
            return Some(youngest);
        }
        if Instant::now() >= deadline {
            return None;
        }
        sleep(SEARCH_INTERVAL).await;
    }
}

/// Waits for the creation's end, and reads what is known of the container then.
async fn wait_until_created(
    app: &App,
    container: &NewContainer,
    upid: &Upid,
    deadline: Instant,
) -> Result<MadeContainer, ApiError> {
    let left = deadline.saturating_duration_since(Instant::now());
    match app
        .proxmox
        .client
        .wait(upid, WaitOptions::within(left))
        .await
    {
        Ok(outcome) if outcome.is_success() => {}
        Ok(outcome) => return Err(task_failed(container, upid, &outcome)),
        Err(error) => {
            tracing::error!(lease.id = container.lease.lease_id.as_str(), %error, "the creation of a container was not seen to its end");
            return Err(failed());
        }
    }
    let config = app
        .proxmox
        .client
        .config(&container.node, container.vmid)
        .await?;
    if marker::read_all(config.description.as_deref()).contains(&marker_of(app, container)) {
        let has_ssh_key = takes_ssh_key(app, container);
        let host_keys = match has_ssh_key {
            true => host_keys::of_creation(&app.proxmox.client, upid).await,
            false => None,
        };
        return Ok(MadeContainer {
            mac: config.property("net0", "hwaddr").map(str::to_owned),
            has_ssh_key,
            host_keys: host_keys.map(|keys| keys.to_string()),
        });
    }
    tracing::error!(
        lease.id = container.lease.lease_id.as_str(),
        vmid = container.vmid.get(),
        "the new container has no marker of this lease"
    );
    Err(failed())
}

pub(super) fn task_failed(
    container: &NewContainer,
    upid: &Upid,
    outcome: &TaskOutcome,
) -> ApiError {
    tracing::error!(lease.id = container.lease.lease_id.as_str(), upid = upid.as_str(), %outcome, "the task that creates a container failed");
    failed()
}

/// The marker of what is ordered.
fn marker_of(app: &App, container: &NewContainer) -> Marker {
    let lease = &container.lease;
    Marker::new(
        &app.installation,
        &lease.lease_id,
        container.vmid,
        lease.created_at,
    )
}

/// Whether the service's SSH key goes into the container. An image of the OCI kind has no SSH
/// server, and perhaps no home of root, without which Proxmox fails to lay a key.
fn takes_ssh_key(app: &App, container: &NewContainer) -> bool {
    let is_oci_image = container.template.ends_with(".tar");
    app.config.guest.ssh && app.proxmox.config.bridge.is_some() && !is_oci_image
}

/// The lines of root's `authorized_keys`: the service's, then the customer's.
fn authorized_keys(app: &App, container: &NewContainer) -> Option<String> {
    let ours = takes_ssh_key(app, container)
        .then(|| connect::authorized_line(app, &container.lease.lease_id));
    let lines: Vec<String> = ours
        .into_iter()
        .chain(container.ssh_public_key.clone())
        .collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn create_request(app: &App, container: &NewContainer, fence: Fence) -> CreateContainer {
    let config = &app.proxmox.config;
    // Without any, containers get the host's, which are behind the fence.
    let nameservers = match container.lease.address {
        Some(_) => config.network.nameservers.clone(),
        None => Vec::new(),
    };
    let rootfs = RootFs {
        storage: config.storage.clone(),
        size_gib: container.size.disk_gb,
    };
    CreateContainer {
        hostname: Some(container.hostname.clone()),
        cores: container.size.cores,
        memory_mb: container.size.memory_mb.into(),
        net0: fence::interface(
            config.bridge.as_deref(),
            &config.network,
            &container.lease,
            fence,
        ),
        nameservers,
        cpulimit: Some(f64::from(container.size.cores)),
        password_hash: container.password_hash.clone(),
        ssh_public_keys: authorized_keys(app, container),
        pool: Some(config.pool.clone()),
        description: Some(marker_of(app, container).text()),
        ..CreateContainer::new(container.vmid, &container.template, rootfs)
    }
}
