//! Challenges, and the cheapest paid call: the list of a wallet without leases. It needs no request
//! to Proxmox, so that the paywall and the store are measured. Payments are signed before the clock
//! starts.

use axum::body::Bytes;

use crate::{
    BenchSize,
    customer::{Customer, price_of_list},
    figures::figure,
    load::{self, Cost},
    stage::BenchTestbed,
};

const LANES: [usize; 3] = [1, 16, 64];

/// Returns the most memory that was seen, in bytes.
pub async fn measure(stage: &BenchTestbed, extent: &BenchSize) -> u64 {
    // The first requests fill caches and start threads.
    challenges(stage, extent.challenges / 10).await;
    let asked = challenges(stage, extent.challenges).await;
    figure("402 challenges", asked.per_second_and_core(), "/s/core");
    let mut memory = asked.memory;
    let (mut signed, mut refused) = (0, 0);
    for lanes in LANES {
        let cost = paid(stage, lanes, extent.calls).await;
        let name = format!("paid calls, {lanes} at a time");
        figure(&name, cost.per_second_and_core(), "/s/core");
        let name = format!("paid calls answered, {lanes} at a time");
        figure(&name, cost.per_second(), "/s");
        signed += cost.answers.len();
        refused += cost.answers.iter().filter(|status| **status != 200).count();
        memory = memory.max(cost.memory);
    }
    figure("valid payments sent", signed as f64, "payments");
    figure("valid payments refused", refused as f64, "payments");
    memory
}

async fn challenges(stage: &BenchTestbed, count: usize) -> Cost {
    const AT_ONCE: usize = 64;
    let body = r#"{"runtimeMinutes": 60, "cores": 1, "memoryMB": 512, "diskGB": 8}"#;
    let request = Bytes::from(format!(
        "POST /lease/container HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        stage.address,
        body.len(),
    ));
    let lanes = vec![vec![request; count.div_ceil(AT_ONCE)]; AT_ONCE];
    let cost = load::apply(stage, lanes).await;
    assert!(cost.answers.iter().all(|status| *status == 402));
    cost
}

/// Each lane is a separate customer, because each list reads all payments of its wallet.
pub async fn paid(stage: &BenchTestbed, lanes: usize, calls: usize) -> Cost {
    let price = price_of_list(stage).await;
    let mut signed = Vec::new();
    for _ in 0..lanes {
        let customer = Customer::new(stage).await;
        signed.push(customer.signed_lists(stage, &price, calls.div_ceil(lanes)));
    }
    load::apply(stage, signed).await
}
