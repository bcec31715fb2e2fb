//! Memory of the service while root in many containers floods its terminal. Half of the owners do
//! not read, so that the output waits; the others read as fast as they can, so that it passes
//! through.

use std::time::Duration;

use crate::{
    BenchSize, consoles::Console, customer::Customer, figures::figure, stage::BenchTestbed,
};

/// How long the containers flood.
const FLOOD: Duration = Duration::from_secs(10);
/// The least that each console carries, in bytes; sockets alone hold some hundred KB.
const LEAST: u64 = 1 << 20;

pub async fn measure(stage: &BenchTestbed, extent: &BenchSize) {
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
    let mut unread = consoles.split_off(extent.consoles / 2);
    let readers = consoles.into_iter().map(|mut console| {
        let read = async move { console.reads_for(FLOOD).await };
        tokio::spawn(read)
    });
    let readers: Vec<_> = readers.collect();
    tokio::time::sleep(FLOOD).await;
    let mut through = 0;
    for reader in readers {
        let read = reader.await.unwrap();
        assert!(read > LEAST, "a flood of {read} bytes is none");
        through += read;
    }
    // The consoles of the owners who did not read were flooded too, and still work.
    for console in &mut unread {
        console.reads_at_least(LEAST).await;
    }
    figure(
        "containers that flood at once",
        extent.consoles as f64,
        "containers",
    );
    figure("flood that was read", through as f64 / 1e6, "MB");
    figure(
        "memory, containers that flood",
        stage.service.peak_memory() as f64 / 1e6,
        "MB",
    );
}
