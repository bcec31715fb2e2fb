//! The delay between deadlines and ends of leases when many end in one minute on several nodes, in
//! Proxmox's own time.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::{StreamExt as _, stream};
use pve::Upid;
use rusqlite::params;

use crate::{
    BenchSize, FAST,
    customer::Customer,
    figures::figure,
    stage::{BenchTestbed, IN_FLIGHT},
};

/// The nodes with the containers.
pub const NODES: [&str; 5] = ["pve", "pve2", "pve3", "pve4", "pve5"];
/// Seconds until the first end, in which the service reads the new deadlines.
const FIRST: i64 = 4;
/// The longest allowed time between the last deadline and the last shutdown.
const ENDS_TIMEOUT: Duration = Duration::from_secs(300);

pub async fn measure(stage: &BenchTestbed, extent: &BenchSize) {
    stage.sim.set_time_scale(FAST);
    let customer = Customer::new(stage).await;
    let ctids: Vec<u32> = stream::iter(0..extent.ends)
        .map(|_| customer.lease(stage))
        .buffer_unordered(IN_FLIGHT)
        .collect()
        .await;
    let deadlines = bring_ends_near(stage, &ctids, extent);
    // Notifies the service that deadlines have changed.
    customer.lease(stage).await;
    stage.sim.set_time_scale(extent.time_scale);
    let begun = Instant::now();
    let shutdowns = loop {
        let shutdowns = shutdowns(stage);
        if shutdowns.len() == ctids.len() {
            break shutdowns;
        }
        let longest = Duration::from_secs(extent.ends_within) + ENDS_TIMEOUT;
        assert!(begun.elapsed() < longest, "{} of all end", shutdowns.len());
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let late = deadlines
        .iter()
        .map(|(ctid, deadline)| shutdowns[ctid] - deadline);
    let (least, most) = (late.clone().min().unwrap(), late.max().unwrap());
    figure(
        "deadline spread, 500 in a minute",
        (most - least) as f64,
        "s",
    );
    figure("deadline, latest, 500 in a minute", most as f64, "s");
}

/// Moves the ends of these leases into the next minute; returns them, Unix seconds.
fn bring_ends_near(stage: &BenchTestbed, ctids: &[u32], extent: &BenchSize) -> HashMap<u32, i64> {
    let mut rows = rusqlite::Connection::open(stage.database()).unwrap();
    rows.busy_timeout(Duration::from_secs(10)).unwrap();
    let change = rows.transaction().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let first = i64::try_from(now.as_secs()).unwrap() + FIRST;
    let mut deadlines = HashMap::new();
    for (number, ctid) in (0_u64..).zip(ctids) {
        let after = number * extent.ends_within / ctids.len() as u64;
        let deadline = first + i64::try_from(after).unwrap();
        let sql = "UPDATE leases SET expires_at = ?2, destroy_at = ?2 + 3600
             WHERE vmid = ?1 AND state = 'active'";
        assert_eq!(change.execute(sql, params![ctid, deadline]).unwrap(), 1);
        deadlines.insert(*ctid, deadline);
    }
    change.commit().unwrap();
    deadlines
}

/// The time of each container's shutdown request, Unix seconds.
fn shutdowns(stage: &BenchTestbed) -> HashMap<u32, i64> {
    let tasks = stage.sim.tasks().into_iter();
    let shutdowns = tasks.filter(|task| task.kind == "vzshutdown").map(|task| {
        let upid: Upid = task.upid.parse().unwrap();
        (
            task.id.parse().unwrap(),
            i64::try_from(upid.starttime).unwrap(),
        )
    });
    shutdowns.collect()
}
