//! The service's own part of the time of a lease: the customer's wait, without the time of
//! Proxmox's tasks and of the container until it has its address.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::{BenchSize, customer::Customer, figures::durations, stage::BenchTestbed};

/// The pause between two customers, so that their requests are not in step.
const APART: Duration = Duration::from_millis(317);

pub async fn measure(stage: &BenchTestbed, extent: &BenchSize) {
    let mut customers = Vec::new();
    for _ in 0..extent.leases {
        customers.push(Customer::new(stage).await);
    }
    let mut waits = JoinSet::new();
    for customer in customers {
        let stage = stage.clone();
        waits.spawn(async move {
            let start = Instant::now();
            let ctid = customer.lease(&stage).await;
            (ctid, start.elapsed())
        });
        tokio::time::sleep(APART.mul_f64(extent.time_scale)).await;
    }
    let mut added: Vec<_> = waits
        .join_all()
        .await
        .into_iter()
        .map(|(ctid, wait)| wait.saturating_sub(own_time(stage, ctid)))
        .collect();
    durations("added to a lease", &mut added);
}

/// The time of the create task, the start task, and the wait for the address.
fn own_time(stage: &BenchTestbed, ctid: u32) -> Duration {
    let tasks = stage.sim.tasks();
    let of_this = tasks.iter().filter(|task| task.id == ctid.to_string());
    let worked: Vec<_> = of_this.map(|task| task.took.unwrap()).collect();
    assert_eq!(worked.len(), 2, "a create and a start");
    worked.iter().sum::<Duration>() + stage.address_delay
}
