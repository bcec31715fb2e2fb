//! Paid lists of other wallets while one wallet leases containers: either the wallet with 20,000
//! payments, or a wallet with only its leases, as many as the large one has live.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::{rounds::middle, routes::lists_of_new_wallets, side::Side};
use crate::{BenchSize, customer::Customer};

/// A round has this fraction of the paid calls of `calls`.
const PART: usize = 16;

/// The other wallets' calls per second, large over small; and with the large one.
pub async fn measure(side: &Side, extent: &BenchSize) -> (f64, f64) {
    let each = (extent.calls / PART).div_ceil(16);
    let (mut ratios, mut rates) = (Vec::new(), Vec::new());
    for round in 0..extent.rounds {
        let (small, large);
        if round % 2 == 0 {
            small = beside(side, &side.small, each).await;
            large = beside(side, &side.large, each).await;
        } else {
            large = beside(side, &side.large, each).await;
            small = beside(side, &side.small, each).await;
        }
        ratios.push(large / small);
        rates.push(large);
    }
    (middle(ratios), middle(rates))
}

/// Calls of the other wallets per second of the clock.
async fn beside(side: &Side, wallet: &Customer, each: usize) -> f64 {
    let requests = lists_of_new_wallets(side, each).await;
    let count: usize = requests.iter().map(Vec::len).sum();
    wallet.visit_faucet(&side.stage).await;
    let ends = Arc::new(AtomicBool::new(false));
    let (stage, wallet, seen) = (side.stage.clone(), wallet.clone(), Arc::clone(&ends));
    let leases = tokio::spawn(async move {
        while !seen.load(Ordering::Relaxed) {
            wallet.lease(&stage).await;
        }
    });
    let spent = side.ask(requests, 200).await;
    ends.store(true, Ordering::Relaxed);
    leases.await.unwrap();
    count as f64 / spent.clock.as_secs_f64()
}
