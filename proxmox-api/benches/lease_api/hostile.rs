//! Memory of the service while root in many containers floods its terminal and its owner does not read.

use std::time::{Duration, Instant};

use crate::{Extent, consoles::Console, customer::Customer, figures::figure, stage::Stage};

/// How long they flood.
const FLOOD: Duration = Duration::from_secs(10);

pub async fn measure(stage: &Stage, extent: &Extent) {
    let customer = Customer::new(stage).await;
    let mut consoles = Vec::new();
    for _ in 0..extent.consoles {
        let ctid = customer.lease(stage).await;
        consoles.push(Console::open(stage, &customer, ctid).await);
    }
    for console in &mut consoles {
        console
            .write(b"yes 0123456789012345678901234567890123456789\r")
            .await;
    }
    let mut peak = 0;
    let begin = Instant::now();
    while begin.elapsed() < FLOOD {
        peak = stage.service.memory().max(peak);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // They really flooded: what was shown waits to be read.
    for console in &mut consoles {
        console.reads_at_least(64 * 1024).await;
    }
    figure(
        "containers that flood at once",
        extent.consoles as f64,
        "containers",
    );
    figure("memory, containers that flood", peak as f64 / 1e6, "MB");
}
