//! `POST …/migrate`: containers move by stop, copy and start; there is no live migration of them.

use std::time::Duration;

use serde_json::json;

use super::power::runs;
use crate::api::Call;
use crate::guest_tasks::{Migration, run_migration};
use crate::manager::{self, Request};
use crate::refusal::{Outcome, Refusal};
use crate::schema::{Kind, Param, format, optional, required};
use crate::worker;
use crate::world::ha::Resource;

pub(crate) const MIGRATE: &[Param] = &[
    optional("bwlimit", Kind::Number(0.0, f64::MAX)),
    optional("online", Kind::Bool),
    optional("restart", Kind::Bool),
    required("target", Kind::Format(255, format::node)),
    optional("target-storage", Kind::Text(0, 255)),
    optional("timeout", Kind::Int(0, i64::MAX)),
];

pub(crate) fn migrate(call: &Call<'_>) -> Outcome {
    let params = call.params();
    let target = params.text("target").unwrap_or_default().to_owned();
    if target == call.node {
        return Err(Refusal::parameter("target", "target is local node."));
    }
    let (online, restart) = (params.flag("online"), params.flag("restart"));
    let vmid = call.vmid();
    let managed = {
        let world = call.world();
        if world.node(&target).is_none() {
            return Err(Refusal::died(format!("no such cluster node '{target}'")));
        }
        call.container(&world)?;
        world.ha.get(&vmid).is_some_and(Resource::managed)
    };
    if runs(call) && !online && !restart {
        return Err(Refusal::died(
            "can't migrate running container without --online or --restart",
        ));
    }
    if managed {
        let line = format!("Requesting HA migration for CT {vmid} to node {target}");
        let order = call.order("hamigrate");
        let upid = worker::fork(call.cluster, order, move |worker| async move {
            worker.log(line);
            manager::queue(&worker.cluster, vmid, Request::Relocate { target });
            Ok(())
        });
        return Ok(json!(upid).into());
    }
    let seconds = params.int("timeout").and_then(|n| u64::try_from(n).ok());
    let migration = Migration {
        vmid,
        target,
        online,
        restart,
        timeout: Duration::from_secs(seconds.unwrap_or(180)),
    };
    let order = call.order("vzmigrate");
    let upid = worker::fork(call.cluster, order, move |worker| {
        run_migration(worker, migration)
    });
    Ok(json!(upid).into())
}
