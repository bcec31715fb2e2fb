//! A container's use of resources over time, like the round-robin database of a node: stored by the
//! container's number, also after its removal.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Bytes per second that every container receives and sends without doing anything.
pub(crate) const IDLE: [u64; 2] = [512, 256];

const MINUTE: u64 = 60;

/// The history of one number.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct History {
    spans: Vec<Span>,
    /// Bytes received and sent by the minute (seconds since the epoch) in which they were.
    moved: BTreeMap<u64, [u64; 2]>,
}

/// A period in which a container ran.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Span {
    pub(crate) from: f64,
    /// `None` while it continues.
    pub(crate) to: Option<f64>,
    /// Its link was up.
    pub(crate) linked: bool,
    pub(crate) cores: u64,
    /// Bytes of memory: used, and all.
    pub(crate) memory: [u64; 2],
    /// Bytes of the root disk: used, and all.
    pub(crate) disk: [u64; 2],
}

impl Span {
    /// How much of it lies between two times, in seconds.
    fn within(&self, from: f64, to: f64) -> f64 {
        let end = self.to.unwrap_or(to).min(to);
        (end - self.from.max(from)).max(0.0)
    }
}

impl History {
    pub(crate) fn open(&mut self, span: Span) {
        self.close(span.from);
        self.spans.push(span);
    }

    pub(crate) fn close(&mut self, now: f64) {
        for span in self.spans.iter_mut().filter(|span| span.to.is_none()) {
            span.to = Some(now);
        }
    }

    pub(crate) fn add(&mut self, now: f64, moved: [u64; 2]) {
        let minute = now as u64 / MINUTE * MINUTE;
        let there = self.moved.entry(minute).or_default();
        *there = [0, 1].map(|way| there[way].saturating_add(moved[way]));
    }

    /// Puts the past of another container of the same number before this one's.
    pub(crate) fn append(&mut self, other: Self) {
        self.spans.extend(other.spans);
        for (minute, moved) in other.moved {
            self.add(minute as f64, moved);
        }
    }

    /// The samples up to now: each begins at its time and lasts one step; it has no figures for a
    /// time when no container ran.
    pub(crate) fn samples(&self, now: u64, step: u64, count: u64) -> Value {
        let end = now / step * step;
        let times = (1..=count).rev().map(|back| end - back * step);
        times.map(|time| self.sample(time, step)).collect()
    }

    fn sample(&self, time: u64, step: u64) -> Value {
        let (from, to) = (time as f64, (time + step) as f64);
        let there = self.spans.iter().filter(|span| span.within(from, to) > 0.0);
        let Some(last) = there.clone().next_back() else {
            return json!({"time": time});
        };
        let linked: f64 = there
            .filter(|span| span.linked)
            .map(|span| span.within(from, to))
            .sum();
        let minutes = self.moved.range(time..time + step);
        let moved = minutes.fold([0_u64; 2], |sum, (_, moved)| {
            [0, 1].map(|way| sum[way].saturating_add(moved[way]))
        });
        let rate = |way: usize| (moved[way] as f64 + linked * IDLE[way] as f64) / step as f64;
        json!({
            "time": time, "cpu": 0.0021, "maxcpu": last.cores,
            "mem": last.memory[0], "maxmem": last.memory[1],
            "disk": last.disk[0], "maxdisk": last.disk[1],
            "netin": rate(0), "netout": rate(1), "diskread": 1024.0, "diskwrite": 512.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: f64, to: Option<f64>) -> Span {
        Span {
            from,
            to,
            linked: true,
            cores: 1,
            memory: [1, 2],
            disk: [3, 4],
        }
    }

    #[test]
    fn the_rates_of_all_samples_add_up_to_what_was_moved() {
        let mut history = History::default();
        history.open(span(6_030.0, None));
        history.add(6_200.0, [1_000_000, 2_000]);
        history.add(6_210.0, [500_000, 0]);
        history.close(6_330.0);
        let samples = history.samples(6_600, 60, 10);
        let samples = samples.as_array().unwrap();
        assert_eq!(samples.len(), 10);
        assert_eq!(
            (&samples[0]["time"], &samples[9]["time"]),
            (&json!(6_000), &json!(6_540))
        );
        let moved = |key: &str| -> f64 {
            let rates = samples.iter().filter_map(|one| one[key].as_f64());
            rates.map(|rate| rate * 60.0).sum()
        };
        assert!((moved("netin") - (1_500_000.0 + 300.0 * 512.0)).abs() < 1.0);
        assert!((moved("netout") - (2_000.0 + 300.0 * 256.0)).abs() < 1.0);
        assert_eq!(samples[6], json!({"time": 6_360}));
    }

    #[test]
    fn the_past_of_one_number_goes_on_under_the_next_container() {
        let mut first = History::default();
        first.open(span(6_000.0, Some(6_060.0)));
        first.add(6_001.0, [60, 0]);
        let mut next = History::default();
        next.open(span(6_120.0, None));
        first.append(next);
        let samples = first.samples(6_180, 60, 3);
        assert_eq!(samples[0]["netin"], 513.0);
        assert_eq!(samples[1], json!({"time": 6_060}));
        assert_eq!(samples[2]["netin"], 512.0);
    }
}
