//! How long each step of the tests took, so that a slow run says where its minutes went.

use std::fmt;
use std::time::{Duration, Instant};

/// The steps of a run, in the order in which they ended.
#[derive(Debug, Default)]
pub struct TimedSteps(Vec<(&'static str, Duration)>);

impl TimedSteps {
    /// Does a step and keeps how long it took.
    pub fn time<T>(&mut self, name: &'static str, step: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let outcome = step();
        self.0.push((name, begun.elapsed()));
        outcome
    }
}

impl fmt::Display for TimedSteps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, took) in &self.0 {
            let (minutes, seconds) = (took.as_secs() / 60, took.as_secs() % 60);
            writeln!(f, "{minutes:3} min {seconds:2} s  {name}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_has_a_line_with_its_minutes() {
        let mut steps = TimedSteps::default();
        assert_eq!(steps.time("quick", || 7), 7);
        steps.0.push(("slow", Duration::from_millis(723_900)));
        assert_eq!(
            steps.to_string(),
            "  0 min  0 s  quick\n 12 min  3 s  slow\n"
        );
    }
}
