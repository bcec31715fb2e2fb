//! `…/snapshot`: a container's configuration and volumes at one moment.

use std::time::Duration;

use serde_json::{Value, json};

use crate::api::Call;
use crate::guest_tasks::{HeldLock, with};
use crate::refusal::{Outcome, Refusal};
use crate::schema::{Kind, Param, optional, required};
use crate::worker;

pub(crate) const SNAPSHOT: &[Param] = &[
    optional("description", Kind::Text(0, 8192)),
    required("snapname", Kind::Text(2, 40)),
];

pub(crate) const REMOVE_SNAPSHOT: &[Param] = &[optional("force", Kind::Bool)];

/// `GET …/snapshot`.
pub(crate) fn snapshots(call: &Call<'_>) -> Outcome {
    let world = call.world();
    let container = call.container(&world)?;
    let mut list: Vec<Value> = container
        .snapshots
        .iter()
        .map(|(name, one)| {
            json!({"name": name, "snaptime": one.taken, "description": one.description})
        })
        .collect();
    list.push(json!({
        "name": "current",
        "digest": container.digest(),
        "running": u8::from(container.running()),
        "description": "You are here!",
    }));
    Ok(list.into_iter().collect::<Value>().into())
}

/// `POST …/snapshot`.
pub(crate) fn snapshot(call: &Call<'_>) -> Outcome {
    let name = call
        .params()
        .text("snapname")
        .unwrap_or_default()
        .to_owned();
    if let "current" | "vzdump" = &*name {
        return Err(Refusal::died(format!(
            "unable to use snapshot name '{name}' (reserved name)"
        )));
    }
    let about = call
        .params()
        .text("description")
        .unwrap_or_default()
        .to_owned();
    let vmid = call.vmid();
    let order = call.order("vzsnapshot");
    let upid = worker::fork(call.cluster, order, move |worker| async move {
        with(&worker, vmid, |container| {
            if container.flag("template") {
                return Err("you can't take a snapshot if it's a template".into());
            }
            container.refuse_locked()?;
            match container.snapshots.contains_key(&name) {
                true => Err(format!("snapshot name '{name}' already used")),
                false => Ok(()),
            }
        })?;
        let _lock = HeldLock::take(&worker, vmid, "snapshot").await?;
        worker.sleep(Duration::from_secs(2)).await;
        worker.trip()?;
        let now = worker.cluster.clock.seconds();
        with(&worker, vmid, |container| {
            container.take_snapshot(name, about, now);
            Ok(())
        })
    });
    Ok(json!(upid).into())
}

/// `DELETE …/snapshot/{snapname}`.
pub(crate) fn remove_snapshot(call: &Call<'_>) -> Outcome {
    let name = call
        .params()
        .text("snapname")
        .unwrap_or_default()
        .to_owned();
    let vmid = call.vmid();
    let order = call.order("vzdelsnapshot");
    let upid = worker::fork(call.cluster, order, move |worker| async move {
        with(&worker, vmid, |container| {
            container.refuse_locked()?;
            match container.snapshots.contains_key(&name) {
                true => Ok(()),
                false => Err(format!("snapshot '{name}' does not exist")),
            }
        })?;
        let _lock = HeldLock::take(&worker, vmid, "snapshot-delete").await?;
        worker.sleep(Duration::from_secs(1)).await;
        worker.trip()?;
        with(&worker, vmid, |container| {
            container.snapshots.remove(&name);
            Ok(())
        })
    });
    Ok(json!(upid).into())
}

/// `POST …/template`: answers nothing, though a task does the work.
pub(crate) fn template(call: &Call<'_>) -> Outcome {
    let vmid = call.vmid();
    {
        let world = call.world();
        let container = call.container(&world)?;
        container.refuse_locked().map_err(Refusal::died)?;
        let refuse = |text: &str| Err(Refusal::died(text));
        if !container.snapshots.is_empty() {
            return refuse("unable to create template, because CT contains snapshots");
        }
        if container.flag("template") {
            return refuse("you can't convert a template to a template");
        }
        if container.running() {
            return refuse("you can't convert a CT to template if the CT is running");
        }
    }
    let order = call.order("vztemplate");
    worker::fork(call.cluster, order, move |worker| async move {
        worker.sleep(Duration::from_secs(1)).await;
        worker.trip()?;
        with(&worker, vmid, |_| Ok(()))?;
        worker.cluster.world().make_template(vmid);
        Ok(())
    });
    Ok(Value::Null.into())
}
