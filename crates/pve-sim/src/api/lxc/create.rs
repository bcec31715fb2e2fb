//! `POST /nodes/{node}/lxc`: the checks before a worker is forked, and the worker's steps.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::configuration::{configuration, valid_ssh_keys};
use super::permission::check_options;
use super::restore::restore;
use super::rootfs::RootDisk;
use crate::api::MethodCall;
use crate::encoding;
use crate::faults::FaultKind;
use crate::first_files::{FirstFiles, ShownKey};
use crate::guest_tasks::{NESTING_WARNING, fork_start};
use crate::response::{ErrorResponse, HandlerResult};
use crate::schema::Params;
use crate::worker::{self, Worker, WorkerFailure};
use crate::world::World;
use crate::world::container::{Container, Disk};

/// The checked parameters of a create, for its worker.
struct CreatePlan {
    vmid: u32,
    node: String,
    user: String,
    template: String,
    systemd: bool,
    disk: RootDisk,
    pool: Option<String>,
    start: bool,
    public_keys: Option<String>,
}

pub(crate) fn create(call: &MethodCall<'_>) -> HandlerResult {
    if call.params().flag("restore") {
        return restore(call);
    }
    let vmid = call.vmid();
    let params = call.params();
    if call.fault == Some(FaultKind::VmidTaken) {
        let now = call.cluster.clock.now();
        call.world()
            .put_foreign(&call.node, vmid, "somebody-else", now);
        call.cluster.changed.notify_one();
    }
    let plan = {
        let mut world = call.world();
        let unable =
            |text: &str| ErrorResponse::died(format!("unable to create CT {vmid} - {text}"));
        if let Some(other) = world.containers.get(&vmid) {
            let text = format!("CT {vmid} already exists on node '{}'", other.node);
            let raced = call.fault == Some(FaultKind::VmidTaken);
            return Err(if raced {
                unable(&text)
            } else {
                ErrorResponse::died(text)
            });
        }
        let plan = checked(call, &world, params)?;
        if call.fault == Some(FaultKind::LockTimeout) {
            return Err(unable(&worker::lock_timeout(vmid)));
        }
        let mut container = Container::draft(vmid, &call.node, call.cluster.clock.now());
        container.systemd = plan.systemd;
        container.set_lock(Some("create"));
        world.containers.insert(vmid, container);
        plan
    };
    let config = configuration(params, vmid, &plan.template);
    let upid = worker::fork(
        call.cluster,
        call.task_order("vzcreate"),
        move |worker| async move {
            let made = build(&worker, &plan, config).await;
            if let Err(failure) = made {
                return Err(clean_up(&worker, &plan, failure));
            }
            if plan.start {
                fork_start(&worker.cluster, &plan.node, plan.vmid, &plan.user, None);
            }
            Ok(())
        },
    );
    Ok(json!(upid).into())
}

/// All checks before the worker is forked, in Proxmox's order.
fn checked(
    call: &MethodCall<'_>,
    world: &World,
    params: &Params,
) -> Result<CreatePlan, ErrorResponse> {
    let vmid = call.vmid();
    let authid = call.authid();
    let access = &world.access;
    let pool = params.text("pool");
    if let Some(keys) = params.text("ssh-public-keys") {
        valid_ssh_keys(keys)?;
    }
    if let Some(pool) = pool.filter(|pool| !access.pools.contains(*pool)) {
        return Err(ErrorResponse::forbidden(&format!(
            "pool '{pool}' does not exist"
        )));
    }
    let by_guest = access.allows(authid, &format!("/vms/{vmid}"), &["VM.Allocate"]);
    let by_pool =
        pool.is_some_and(|pool| access.allows(authid, &format!("/pool/{pool}"), &["VM.Allocate"]));
    if !by_guest && !by_pool {
        return Err(ErrorResponse::forbidden_plainly());
    }
    if params.has("ha-managed") {
        access.check(authid, "/", &["Sys.Console"])?;
    }
    check_options(access, authid, vmid, pool, params)?;
    let unprivileged = params.int("unprivileged").unwrap_or(1) == 1;
    if !unprivileged && !call.is_root() {
        access.check(authid, "/", &["Sys.Modify"])?;
    }
    let template = params.text("ostemplate").unwrap_or_default();
    let Some((storage, volume)) = template.split_once(':') else {
        return Err(ErrorResponse::died(format!(
            "unable to parse volume ID '{template}'"
        )));
    };
    if world.storage(storage).is_none() {
        return Err(ErrorResponse::died(format!(
            "storage '{storage}' does not exist"
        )));
    }
    if !volume.starts_with("vztmpl/") {
        return Err(ErrorResponse::died(format!(
            "unable to use '{template}' as a container template"
        )));
    }
    access.check_any(
        authid,
        &format!("/storage/{storage}"),
        &["Datastore.AllocateSpace", "Datastore.Audit"],
    )?;
    let disk = RootDisk::wanted(params)?;
    disk.check(world, authid, &call.node)?;
    Ok(CreatePlan {
        vmid,
        node: call.node.clone(),
        user: authid.to_owned(),
        template: template.to_owned(),
        systemd: !template.contains("alpine"),
        disk,
        pool: pool.map(str::to_owned),
        start: params.flag("start"),
        public_keys: params.text("ssh-public-keys").map(str::to_owned),
    })
}

/// The worker's steps: disk, archive, host keys, configuration, pool.
async fn build(
    worker: &Worker,
    plan: &CreatePlan,
    config: BTreeMap<String, Value>,
) -> Result<(), WorkerFailure> {
    let vmid = plan.vmid;
    let _lock = worker.lock_config(vmid).await?;
    let full = worker.fault == Some(FaultKind::StorageFull);
    {
        let mut world = worker.cluster.world();
        if full || !plan.disk.fits(&world, &plan.node) {
            return Err(WorkerFailure::Died(no_room(plan)));
        }
        let disk = Disk {
            storage: plan.disk.storage.clone(),
            bytes: plan.disk.bytes,
        };
        if let Some(container) = world.containers.get_mut(&vmid) {
            container.disk = Some(disk);
        }
    }
    // A new disk is empty, also where a crash has left the files of a container that had this
    // number.
    worker.cluster.terminals.forget_in_task(vmid).await;
    worker.sleep(Duration::from_millis(500)).await;
    worker.log(format!("  Logical volume \"vm-{vmid}-disk-0\" created."));
    worker.log(format!(
        "Creating filesystem with {} 4k blocks and {} inodes",
        plan.disk.bytes / 4096,
        plan.disk.bytes / 16384
    ));
    worker.sleep(Duration::from_millis(1000)).await;

    let size = worker
        .cluster
        .world()
        .template_size(&plan.template, &plan.node)
        .map_err(|refusal| WorkerFailure::Died(refusal.message))?;
    let missing = worker.fault == Some(FaultKind::MissingTemplate);
    let Some(size) = size.filter(|_| !missing) else {
        let text = format!("volume '{}' does not exist", plan.template);
        return Err(WorkerFailure::Died(text));
    };
    let archive = plan.template.rsplit('/').next().unwrap_or_default();
    worker.log(format!(
        "extracting archive '/var/lib/vz/template/cache/{archive}'"
    ));
    worker.sleep(Duration::from_millis(2000)).await;
    worker.fail_if_faulty()?;
    worker.sleep(Duration::from_millis(1500)).await;
    worker.log(format!("Total bytes read: {} (512MiB, 220MiB/s)", size * 4));
    worker.log("Detected container architecture: amd64");
    let first_files = first_files(worker, plan, &config).await?;

    let mut world = worker.cluster.world();
    let rootfs = plan.disk.volume(&world, vmid);
    let lacks_nesting = match world.containers.get_mut(&vmid) {
        Some(container) => {
            container.config = config;
            container.first_files = first_files;
            container.config.insert("rootfs".into(), json!(rootfs));
            container.lacks_nesting()
        }
        None => return Err(WorkerFailure::Died(format!("CT {vmid} vanished"))),
    };
    if let Some(pool) = plan.pool.clone() {
        world.access.pool_of_guest.insert(vmid, pool);
    }
    drop(world);
    if lacks_nesting {
        worker.warn(NESTING_WARNING);
    }
    Ok(())
}

/// Makes the files that a create adds to the template's, and logs the host keys in an order that no
/// client can rely on, as Proxmox takes them from a Perl hash.
async fn first_files(
    worker: &Worker,
    plan: &CreatePlan,
    config: &BTreeMap<String, Value>,
) -> Result<FirstFiles, WorkerFailure> {
    let mut files = FirstFiles::default();
    files.has_sshd = has_sshd(&plan.template);
    files.public_keys.clone_from(&plan.public_keys);
    if !has_etc_ssh(&plan.template) {
        return Ok(files);
    }
    let hostname = config.get("hostname").and_then(Value::as_str);
    let hostname = hostname.unwrap_or("localhost");
    let hostname = hostname.split('.').next().unwrap_or_default();
    let comment = format!("root@{hostname}");
    let mut shown = files
        .make_host_keys(&comment)
        .map_err(|error| WorkerFailure::Died(format!("SSH host keys: {error}")))?;
    // Proxmox makes an RSA key as well; the simulated server has none, so that nobody meets it.
    let digest = encoding::base64(&encoding::random::<32>());
    shown.push(ShownKey {
        name: "ssh_host_rsa_key".into(),
        fingerprint: format!("SHA256:{}", digest.trim_end_matches('=')),
    });
    shown.sort_by_cached_key(|_| encoding::random::<4>());
    for key in shown {
        worker.log(format!(
            "Creating SSH host key '{}' - this may take some time ...",
            key.name
        ));
        worker.sleep(Duration::from_millis(300)).await;
        worker.log(format!("done: {} {comment}", key.fingerprint));
    }
    Ok(files)
}

/// Whether a template has an SSH server: those of Proxmox's own build do.
fn has_sshd(template: &str) -> bool {
    ["debian", "ubuntu", "devuan", "proxmox"]
        .iter()
        .any(|name| template.contains(name))
}

/// Whether a template has the folder `/etc/ssh`, which clients of SSH need as well.
fn has_etc_ssh(template: &str) -> bool {
    !template.contains("alpine")
}

fn no_room(plan: &CreatePlan) -> String {
    format!(
        "lvcreate 'pve/vm-{}-disk-0' error:   Cannot create new thin volume, free space in thin pool pve/data reached threshold.",
        plan.vmid
    )
}

/// A failed create removes the container again; one whose process was killed leaves its lock
/// behind.
fn clean_up(worker: &Worker, plan: &CreatePlan, failure: WorkerFailure) -> WorkerFailure {
    match failure {
        WorkerFailure::Vanished => WorkerFailure::Vanished,
        WorkerFailure::Died(text) => {
            worker.cluster.world().forget(plan.vmid);
            let known = text.starts_with("unable to create CT");
            WorkerFailure::Died(if known {
                text
            } else {
                format!("unable to create CT {} - {text}", plan.vmid)
            })
        }
    }
}
