//! The last values of a gauge, and the line that shows them.

use std::collections::VecDeque;

/// As many as a line of a hand's width can show: five minutes at one every ten seconds.
const KEPT: usize = 30;
/// Fewer make no line: of a container that does nothing it would look like a dash.
const FEWEST: usize = 6;

/// The last shares, from 0 to 1, the oldest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Samples(VecDeque<f64>);

impl Samples {
    /// Adds a share; the oldest makes room.
    pub fn push(&mut self, share: f64) {
        let share = if share.is_finite() {
            share.clamp(0.0, 1.0)
        } else {
            0.0
        };
        self.0.push_back(share);
        while self.0.len() > KEPT {
            self.0.pop_front();
        }
    }

    /// The points of a line in a box of 100 by 24, the newest at the right, once there are enough for one.
    pub fn points(&self) -> Option<String> {
        if self.0.len() < FEWEST {
            return None;
        }
        let step = 100.0 / (KEPT - 1) as f64;
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
        let mut samples = Samples::default();
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
        assert_eq!(points.split(' ').count(), KEPT);
    }
}
