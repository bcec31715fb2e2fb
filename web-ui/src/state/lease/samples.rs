//! The last samples of a gauge, and the line that shows them.

use std::collections::VecDeque;

/// The number of samples that are kept: five minutes at one every ten seconds.
const CAPACITY: usize = 30;
/// Fewer samples are not drawn: the line of an idle container would look like a dash.
const FEWEST: usize = 6;

/// The last shares, from 0 to 1, the oldest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UsageSamples(VecDeque<f64>);

impl UsageSamples {
    /// Adds a share, and removes the oldest if there are too many.
    pub fn push(&mut self, share: f64) {
        let share = if share.is_finite() {
            share.clamp(0.0, 1.0)
        } else {
            0.0
        };
        self.0.push_back(share);
        while self.0.len() > CAPACITY {
            self.0.pop_front();
        }
    }

    /// The points of the line in a box of 100 by 24, the newest at the right; none while there are
    /// too few.
    pub fn points(&self) -> Option<String> {
        if self.0.len() < FEWEST {
            return None;
        }
        let step = 100.0 / (CAPACITY - 1) as f64;
        let start = 100.0 - step * (self.0.len() - 1) as f64;
        let points = self.0.iter().enumerate().map(|(position, share)| {
            let (x, y) = (start + step * position as f64, 23.0 - share * 22.0);
            format!("{x:.1},{y:.1}")
        });
        Some(points.collect::<Vec<_>>().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_grows_from_the_right_and_keeps_its_width() {
        let mut samples = UsageSamples::default();
        for _ in 1..FEWEST {
            samples.push(0.0);
        }
        assert_eq!(samples.points(), None, "a minute is not over");
        samples.push(1.0);
        assert_eq!(
            samples.points().unwrap(),
            "82.8,23.0 86.2,23.0 89.7,23.0 93.1,23.0 96.6,23.0 100.0,1.0"
        );
        for _ in 0..50 {
            samples.push(f64::NAN);
        }
        let points = samples.points().unwrap();
        assert!(points.starts_with("0.0,23.0 ") && points.ends_with("100.0,23.0"));
        assert_eq!(points.split(' ').count(), CAPACITY);
    }
}
