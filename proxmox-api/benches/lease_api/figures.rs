//! The output of figures: one line each, `NAME = VALUE UNIT`, for people and for `cargo xtask
//! bench`; or `NAME = skipped: WHY`.

use std::time::Duration;

pub fn figure(name: &str, value: f64, unit: &str) {
    println!("{name} = {value:.3} {unit}");
}

/// Reports a figure that cannot be measured on this machine.
pub fn skip(name: &str, why: &str) {
    println!("{name} = skipped: {why}");
}

/// Median and 99th percentile, in milliseconds.
pub fn durations(name: &str, spent: &mut [Duration]) {
    spent.sort();
    for (label, percent) in [("median", 50), ("p99", 99)] {
        let at = (spent.len() * percent / 100).min(spent.len() - 1);
        figure(
            &format!("{name}, {label}"),
            spent[at].as_secs_f64() * 1000.0,
            "ms",
        );
    }
}
