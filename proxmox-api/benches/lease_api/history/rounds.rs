//! Rounds that alternate between the two stores.

use std::time::Duration;

use super::{
    routes::Route,
    side::{Side, Spent},
};
use crate::BenchSize;

/// The number of requests in the first round, and the most.
const LEAST: usize = 16;
const MOST: usize = 10_000;
/// The most leases in a round, all of which stay.
const LEASES: usize = 16;
/// Rounds go on until the ratio is known as well as this, in units of itself, or until there are
/// this many times as many as there have to be.
const STANDARD_ERROR: f64 = 0.007;
const MOST_TIMES: usize = 4;

/// Requests per second on c over those on a.
pub struct Ratio {
    /// Per second of processor time.
    pub by_work: f64,
    /// Per second of the clock.
    pub by_clock: f64,
}

pub async fn compare(route: Route, a: &Side, c: &Side, extent: &BenchSize) -> Ratio {
    let count = calibrated(route, a, c, extent).await;
    let (mut work, mut clock) = (Vec::new(), Vec::new());
    for round in 0..extent.rounds * MOST_TIMES {
        if round >= extent.rounds && standard_error(&work) <= STANDARD_ERROR {
            break;
        }
        let (on_a, on_c);
        // The order alternates, because the first round warms caches for the second one.
        if round % 2 == 0 {
            on_a = ask(route, a, count).await;
            on_c = ask(route, c, count).await;
        } else {
            on_c = ask(route, c, count).await;
            on_a = ask(route, a, count).await;
        }
        work.push(seconds(on_a.work) / seconds(on_c.work));
        clock.push(seconds(on_a.clock) / seconds(on_c.clock));
    }
    Ratio {
        by_work: middle(work),
        by_clock: middle(clock),
    }
}

/// The number of requests that take a round's time on a; both sides are warm afterwards.
async fn calibrated(route: Route, a: &Side, c: &Side, extent: &BenchSize) -> usize {
    let most = if route.is_lease() { LEASES } else { MOST };
    let mut count = LEAST;
    loop {
        let spent = ask(route, a, count).await;
        ask(route, c, count).await;
        let share = spent.work.as_secs_f64() / extent.round.as_secs_f64();
        if share >= 0.5 || count == most {
            let wanted = count as f64 / share.max(0.1);
            return (wanted as usize).clamp(LEAST, most);
        }
        count = (count * 4).min(most);
    }
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

async fn ask(route: Route, side: &Side, count: usize) -> Spent {
    let requests = route.requests(side, count).await;
    side.ask(requests, route.status()).await
}

/// The mean of the middle half. Outliers affect it as little as the median, and it is less coarse.
pub fn middle(mut ratios: Vec<f64>) -> f64 {
    ratios.sort_by(f64::total_cmp);
    let quarter = ratios.len() / 4;
    let middle = &ratios[quarter..ratios.len() - quarter];
    middle.iter().sum::<f64>() / middle.len() as f64
}

/// The standard error of [`middle`]: that of the ratios with the outer quarters moved to the edges
/// of the middle half, over the share that is left.
fn standard_error(ratios: &[f64]) -> f64 {
    let mut ratios = ratios.to_vec();
    ratios.sort_by(f64::total_cmp);
    let (count, quarter) = (ratios.len(), ratios.len() / 4);
    let (least, most) = (ratios[quarter], ratios[count - 1 - quarter]);
    let moved: Vec<_> = ratios
        .iter()
        .map(|ratio| ratio.clamp(least, most))
        .collect();
    let mean = moved.iter().sum::<f64>() / count as f64;
    let squares: f64 = moved.iter().map(|ratio| (ratio - mean).powi(2)).sum();
    let share = 1.0 - 2.0 * quarter as f64 / count as f64;
    (squares / (count as f64 - 1.0)).sqrt() / (share * (count as f64).sqrt())
}
