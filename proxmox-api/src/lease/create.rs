//! Makes the container of a lease: exactly one, whatever Proxmox answers. A creation that was surely not executed is tried on
//! another number or node; one that may have been executed is looked for first.

use std::collections::HashSet;
use std::time::Duration;

use api_types::{ErrorCode, Size};
use pve::{CreateContainer, NodeName, Refusal, RootFs, TaskOutcome, Upid, Vmid, WaitOptions};
use tokio::time::{Instant, sleep};

use super::{
    LeaseState,
    fence::{self, Fence},
    marker::{self, Marker},
};
use crate::{
    config::FencePolicy, error::ApiError, ids::LeaseId, progress::Progress, state::App,
    store::Lease,
};

/// Numbers or nodes that are tried.
const TRIES: u32 = 5;
/// How long a creation of unknown outcome is looked for, and how often.
const LOOK_FOR: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A container to be made.
#[derive(Debug, Clone)]
pub struct Order {
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

/// What became of one request.
enum Attempt {
    /// A task is making it, or has made it.
    Task(Upid),
    /// The number belongs to somebody else.
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
    order: &mut Order,
    deadline: Instant,
    progress: &Progress,
) -> Result<(), ApiError> {
    let mut busy = HashSet::new();
    let mut avoided: Vec<NodeName> = Vec::new();
    let mut last = failed();
    for _ in 0..TRIES {
        step(
            app,
            &order.lease.lease_id,
            LeaseState::Provisioning,
            LeaseState::CreateSent,
        )
        .await?;
        progress.step("creating");
        // Another node may have another firewall.
        let fence = fence::for_sale(app, &order.node).await?;
        let turn = app.proxmox.create_turn(&order.node).await;
        let outcome = match attempt(app, order, fence).await? {
            Attempt::Task(upid) => {
                let mac = ended(app, order, &upid, deadline).await?;
                drop(turn);
                let (id, now) = (&order.lease.lease_id, app.now());
                if !app.store.container_made(id, mac.as_deref(), now).await? {
                    return Err(moved_on(id, LeaseState::CreateSent, LeaseState::Created));
                }
                return fence_in(app, order, fence).await;
            }
            other => other,
        };
        drop(turn);
        step(
            app,
            &order.lease.lease_id,
            LeaseState::CreateSent,
            LeaseState::Provisioning,
        )
        .await?;
        busy.insert(order.vmid);
        if let Attempt::NotExecuted(error) = outcome {
            last = error;
            avoided.push(order.node.clone());
        }
        if Instant::now() >= deadline {
            break;
        }
        // With one node, or when all have failed, the same one gets another chance.
        order.node = match app
            .proxmox
            .place(order.size, &order.template, &avoided)
            .await
        {
            Ok(node) => node,
            Err(_) => {
                avoided.clear();
                sleep(LOOK_EVERY).await;
                order.node.clone()
            }
        };
        let vmids = app.proxmox.config.vmids.clone();
        let found = app
            .store
            .reassign_lease(
                &order.lease.lease_id,
                &order.node,
                vmids,
                busy.clone(),
                app.now(),
            )
            .await?;
        order.vmid = found.ok_or_else(|| {
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
    Err(moved_on(lease_id, from, to))
}

fn moved_on(lease_id: &LeaseId, from: LeaseState, to: LeaseState) -> ApiError {
    tracing::error!(
        lease.id = lease_id.as_str(),
        from = from.as_str(),
        to = to.as_str(),
        "the lease is not where it should be"
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
async fn fence_in(app: &App, order: &Order, fence: Fence) -> Result<(), ApiError> {
    let (id, network) = (&order.lease.lease_id, &app.proxmox.config.network);
    if order.lease.address.is_none() {
        return Ok(());
    }
    if let Err(error) = fence::apply(&app.proxmox, &order.node, order.vmid).await {
        let cause = error.safe_text();
        tracing::error!(
            lease.id = id.as_str(),
            vmid = order.vmid.get(),
            cause,
            "a container's firewall cannot be set"
        );
        // The bridge's own table needs no rules of the guest's.
        if network.fence == FencePolicy::Required && fence != Fence::Bridge {
            return Err(failed());
        }
    }
    if fence == Fence::Guest {
        let ready = app.now() + fence::SETTLES_AFTER;
        app.store.keep_link_down(id, ready).await?;
        app.link_waits.begin(id, app.clock.monotonic_millis());
        app.links_moved.notify_one();
    }
    Ok(())
}

async fn attempt(app: &App, order: &Order, fence: Fence) -> Result<Attempt, ApiError> {
    let error = match app
        .proxmox
        .client
        .create(&order.node, &container(app, order, fence))
        .await
    {
        Ok(upid) => return Ok(Attempt::Task(upid)),
        Err(error) => error,
    };
    if error.may_have_executed() {
        tracing::warn!(
            lease.id = order.lease.lease_id.as_str(),
            cause = error.safe_text(),
            "a creation of unknown outcome"
        );
        return Ok(match look_for(app, order).await {
            Some(upid) => Attempt::Task(upid),
            None => Attempt::NotExecuted(failed()),
        });
    }
    match error.refusal() {
        Some(Refusal::VmidTaken) => Ok(Attempt::Taken),
        // Another node, or the same one a moment later, may do it.
        _ if error.is_transient() => Ok(Attempt::NotExecuted(error.into())),
        _ => Err(error.into()),
    }
}

/// The task of a creation whose answer was lost. The number is taken before Proxmox answers, so a number that stays free was
/// not asked for.
async fn look_for(app: &App, order: &Order) -> Option<Upid> {
    let client = &app.proxmox.client;
    let deadline = Instant::now() + LOOK_FOR;
    loop {
        let taken = match client.next_id(Some(order.vmid)).await {
            Err(error) => error.refusal() == Some(&Refusal::VmidTaken),
            Ok(_) => false,
        };
        if taken
            && let Ok(tasks) = client.tasks(&order.node, order.vmid, "vzcreate").await
            && let Some(youngest) = tasks.into_iter().next()
        {
            return Some(youngest);
        }
        if Instant::now() >= deadline {
            return None;
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Waits for the creation's end; the hardware address of what was made.
async fn ended(
    app: &App,
    order: &Order,
    upid: &Upid,
    deadline: Instant,
) -> Result<Option<String>, ApiError> {
    let left = deadline.saturating_duration_since(Instant::now());
    match app
        .proxmox
        .client
        .wait(upid, WaitOptions::within(left))
        .await
    {
        Ok(outcome) if outcome.is_success() => {}
        Ok(outcome) => return Err(task_failed(order, upid, &outcome)),
        Err(error) => {
            tracing::error!(lease.id = order.lease.lease_id.as_str(), %error, "a creation was not seen to its end");
            return Err(failed());
        }
    }
    let config = app.proxmox.client.config(&order.node, order.vmid).await?;
    if marker::all(config.description.as_deref()).contains(&of(app, order)) {
        return Ok(config.property("net0", "hwaddr").map(str::to_owned));
    }
    tracing::error!(
        lease.id = order.lease.lease_id.as_str(),
        vmid = order.vmid.get(),
        "the container is not ours"
    );
    Err(failed())
}

pub(super) fn task_failed(order: &Order, upid: &Upid, outcome: &TaskOutcome) -> ApiError {
    tracing::error!(lease.id = order.lease.lease_id.as_str(), task = upid.kind, %outcome, "a task failed");
    failed()
}

/// The marker of what is ordered.
fn of(app: &App, order: &Order) -> Marker {
    let lease = &order.lease;
    Marker::new(
        &app.installation,
        &lease.lease_id,
        order.vmid,
        lease.created_at,
    )
}

fn container(app: &App, order: &Order, fence: Fence) -> CreateContainer {
    let config = &app.proxmox.config;
    // Without any, containers get the host's, which are behind the fence.
    let nameservers = match order.lease.address {
        Some(_) => config.network.nameservers.clone(),
        None => Vec::new(),
    };
    let rootfs = RootFs {
        storage: config.storage.clone(),
        size_gib: order.size.disk_gb,
    };
    CreateContainer {
        hostname: Some(order.hostname.clone()),
        cores: order.size.cores,
        memory_mb: order.size.memory_mb.into(),
        net0: fence::interface(
            config.bridge.as_deref(),
            &config.network,
            &order.lease,
            fence,
        ),
        nameservers,
        cpulimit: Some(f64::from(order.size.cores)),
        password_hash: order.password_hash.clone(),
        ssh_public_keys: order.ssh_public_key.clone(),
        pool: Some(config.pool.clone()),
        description: Some(of(app, order).text()),
        ..CreateContainer::new(order.vmid, &order.template, rootfs)
    }
}
