//! The list of a customer with many leases.

use std::time::Instant;

use futures_util::{StreamExt as _, stream};
use serde_json::Value;

use crate::{
    BenchSize,
    connection::Connection,
    customer::{Customer, price_of_list},
    figures::{durations, figure},
    stage::{BenchTestbed, IN_FLIGHT},
};

pub async fn measure(stage: &BenchTestbed, extent: &BenchSize) {
    let customer = Customer::new(stage).await;
    let made: Vec<_> = stream::iter(0..extent.listed)
        .map(|_| customer.lease(stage))
        .buffer_unordered(IN_FLIGHT)
        .collect()
        .await;
    figure("leases in the list", made.len() as f64, "leases");
    let price = price_of_list(stage).await;
    let requests = customer.signed_lists(stage, &price, extent.looks);
    let mut connection = Connection::open(&stage.address).await;
    let (mut spent, mut asked) = (Vec::new(), Vec::new());
    for request in requests {
        stage.sim.clear_requests();
        let start = Instant::now();
        let answer = connection.ask(&request).await;
        spent.push(start.elapsed());
        asked.push(stage.sim.requests().len());
        let list: Value = serde_json::from_slice(answer.body).unwrap();
        let running = |lease: &&Value| lease["liveStatus"] == "running";
        let leases = list["leases"].as_array().unwrap();
        assert_eq!(leases.iter().filter(running).count(), made.len());
    }
    durations("list, paid", &mut spent);
    // The median, because the service's own requests to Proxmox every few minutes may fall between.
    asked.sort_unstable();
    figure(
        "Proxmox requests for a list",
        asked[asked.len() / 2] as f64,
        "requests",
    );
}
