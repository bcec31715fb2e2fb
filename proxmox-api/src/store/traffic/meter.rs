//! The traffic of a container between two samples of its counters. Nodes count from each start of a
//! container. An implausible sample counts nothing: a customer is slowed, cut off and stopped only
//! by traffic that was sent for certain.

/// Seconds by which an uptime may be too long: the cluster's list lags, and clocks differ.
const LAG: i64 = 60;
/// Seconds by which the cluster's list may be older than the previous sample.
const MAX_LIST_AGE: i64 = 300;
/// Bytes per second above which a sample is implausible: 400 Gbit/s.
const MAX_RATE: u64 = 50_000_000_000;
/// The most seconds that one sample adds to the time for which a container is cut off: nothing is
/// known of a longer time without samples.
const MAX_INTERVAL: i64 = 120;

/// A container's counters in one sample.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Bytes sent since its start.
    pub sent: u64,
    /// Bytes received since its start.
    pub received: u64,
    /// Seconds since its start; 0 while it is stopped.
    pub uptime: u64,
}

/// Bytes sent and received.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ByteCounts {
    /// Sent.
    pub sent: u64,
    /// Received.
    pub received: u64,
}

/// The counters of the last sample and its time in Unix seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct LastSample {
    pub(super) counters: Counters,
    pub(super) at: i64,
}

/// What a sample shows after the previous one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SampleReading {
    /// This much traffic.
    Passed(ByteCounts),
    /// The list is older than the previous one: the sample is ignored.
    Older,
    /// It does not fit the previous sample: nothing is counted, and counting goes on from here.
    Doubtful,
}

impl SampleReading {
    /// What is added to the counted bytes.
    pub(super) fn counted(self) -> ByteCounts {
        match self {
            Self::Passed(counted) => counted,
            Self::Older | Self::Doubtful => ByteCounts::default(),
        }
    }
}

/// Compares a sample at `at` with the previous one.
pub(super) fn read(last: Option<LastSample>, now: Counters, at: i64) -> SampleReading {
    let whole = ByteCounts {
        sent: now.sent,
        received: now.received,
    };
    let uptime = seconds(now.uptime);
    let Some(LastSample { counters, at: then }) = last else {
        return plausible(whole, uptime);
    };
    if at < then - LAG {
        // Our clock was set back, so the time between the samples is unknown.
        return SampleReading::Doubtful;
    }
    let elapsed = (at - then).max(0);
    // If it was started since, its uptime is at most the time since the last sample.
    let may_have_started = uptime <= elapsed + LAG;
    let before = seconds(counters.uptime);
    let sent = now.sent.checked_sub(counters.sent);
    let received = now.received.checked_sub(counters.received);
    let grown = sent.zip(received);
    if uptime == 0 && before > LAG && now.sent > 0 && grown.is_some() {
        // It still runs; the list lacks its uptime.
        return SampleReading::Older;
    }
    if uptime < before {
        return match may_have_started {
            true => plausible(whole, uptime),
            false if elapsed > MAX_LIST_AGE => SampleReading::Doubtful,
            false => SampleReading::Older,
        };
    }
    if uptime > before.saturating_add(elapsed + LAG) {
        return SampleReading::Doubtful;
    }
    match grown {
        Some((sent, received)) => plausible(ByteCounts { sent, received }, elapsed),
        None if may_have_started => plausible(whole, uptime),
        // An interface was removed, or got another hardware address.
        None => SampleReading::Doubtful,
    }
}

/// Seconds that a sample adds to the time for which a container is cut off.
pub(super) fn seen_running(
    last: Option<LastSample>,
    now: Counters,
    at: i64,
    reading: SampleReading,
) -> i64 {
    match (last, reading) {
        (Some(last), SampleReading::Passed(_)) if now.uptime > 0 => {
            (at - last.at).clamp(0, MAX_INTERVAL)
        }
        _ => 0,
    }
}

fn plausible(counted: ByteCounts, seconds: i64) -> SampleReading {
    let seconds = u64::try_from(seconds.saturating_add(LAG)).unwrap_or(0);
    let most = MAX_RATE.saturating_mul(seconds);
    match counted.sent.max(counted.received) <= most {
        true => SampleReading::Passed(counted),
        false => SampleReading::Doubtful,
    }
}

fn seconds(uptime: u64) -> i64 {
    i64::try_from(uptime).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(sent: u64, received: u64, uptime: u64) -> Counters {
        Counters {
            sent,
            received,
            uptime,
        }
    }

    fn passed(sent: u64, received: u64) -> SampleReading {
        SampleReading::Passed(ByteCounts { sent, received })
    }

    /// Read at some second, after a look at second 900 that saw 500 sent and 50 received in 300
    /// seconds.
    fn at(second: i64, now: Counters) -> SampleReading {
        let last = LastSample {
            counters: counters(500, 50, 300),
            at: 900,
        };
        read(Some(last), now, second)
    }

    fn then(now: Counters) -> SampleReading {
        at(1000, now)
    }

    #[test]
    fn differences_are_counted_and_all_of_it_after_a_start() {
        assert_eq!(then(counters(500, 50, 400)), passed(0, 0));
        assert_eq!(then(counters(700, 51, 400)), passed(200, 1));
        assert_eq!(then(counters(700, 80, 30)), passed(700, 80), "started");
        assert_eq!(then(counters(0, 0, 0)), passed(0, 0), "stopped");
        let first = read(None, counters(9, 8, 7), 0);
        assert_eq!(first, passed(9, 8), "the first look");
    }

    #[test]
    fn counters_that_fall_are_counted_only_after_a_start() {
        // Last seen 5 seconds after a start, and started again since.
        let last = LastSample {
            counters: counters(500, 50, 5),
            at: 900,
        };
        let now = |uptime| read(Some(last), counters(400, 60, uptime), 960);
        assert_eq!(now(25), passed(400, 60));
        assert_eq!(then(counters(20, 60, 400)), SampleReading::Doubtful);
        assert_eq!(then(counters(600, 6, 400)), SampleReading::Doubtful);
    }

    #[test]
    fn a_look_that_is_older_than_the_last_one_counts_nothing() {
        assert_eq!(then(counters(499, 49, 299)), SampleReading::Older);
        assert_eq!(then(counters(0, 0, 161)), SampleReading::Older);
        assert_eq!(then(counters(1, 1, 160)), passed(1, 1), "started since");
        // No list is as old as that.
        assert_eq!(at(1201, counters(499, 49, 299)), passed(499, 49));
        let last = LastSample {
            counters: counters(500, 50, 100_000),
            at: 900,
        };
        let now = counters(600, 60, 50_000);
        assert_eq!(read(Some(last), now, 1200), SampleReading::Older);
        assert_eq!(read(Some(last), now, 1201), SampleReading::Doubtful);
    }

    #[test]
    fn a_list_without_the_uptime_of_what_runs_counts_nothing_again() {
        assert_eq!(then(counters(600, 60, 0)), SampleReading::Older);
        assert_eq!(then(counters(400, 60, 0)), passed(400, 60), "just started");
    }

    #[test]
    fn an_old_list_that_shows_what_was_stopped_as_running_counts_nothing_again() {
        let stopped = LastSample {
            counters: Counters::default(),
            at: 900,
        };
        let old = counters(19 << 30, 7, 5_000);
        assert_eq!(read(Some(stopped), old, 960), SampleReading::Doubtful);
        let began = counters(5, 7, 30);
        assert_eq!(read(Some(stopped), began, 960), passed(5, 7));
    }

    #[test]
    fn a_clock_that_is_set_back_counts_nothing_and_hides_no_more_than_one_look() {
        let now = counters(700, 70, 30);
        assert_eq!(at(-2700, now), SampleReading::Doubtful);
        let last = LastSample {
            counters: now,
            at: -2700,
        };
        let next = counters(900, 90, 90);
        assert_eq!(read(Some(last), next, -2640), passed(200, 20));
    }

    #[test]
    fn more_than_an_interface_can_move_is_implausible() {
        for hostile in [u64::MAX, i64::MAX as u64, MAX_RATE * 161] {
            let doubted = [
                read(None, counters(hostile, 0, 60), 1000),
                read(None, counters(0, hostile, 60), 1000),
                then(counters(hostile, 50, 400)),
                then(counters(500, hostile, 400)),
                then(counters(hostile, 0, 30)),
            ];
            assert_eq!(doubted, [SampleReading::Doubtful; 5], "{hostile}");
        }
        assert_eq!(then(counters(0, 0, u64::MAX)), SampleReading::Doubtful);
        let much = MAX_RATE * 160;
        assert_eq!(then(counters(500 + much, 50, 400)), passed(much, 0));
    }

    #[test]
    fn only_samples_of_a_running_container_add_to_the_time_that_it_is_cut_off() {
        let last = |at| {
            let counters = counters(500, 50, 300);
            Some(LastSample { counters, at })
        };
        let of = |last, uptime, reading| seen_running(last, counters(0, 0, uptime), 1000, reading);
        let none = passed(0, 0);
        assert_eq!(of(last(940), 360, none), 60);
        assert_eq!(of(last(940), 0, none), 0, "stopped");
        assert_eq!(of(last(940), 360, SampleReading::Doubtful), 0);
        assert_eq!(of(last(940), 360, SampleReading::Older), 0);
        assert_eq!(of(last(-90_000), 360, none), 120, "nobody looked for a day");
        assert_eq!(of(last(1030), 360, none), 0);
        assert_eq!(of(None, 360, none), 0);
    }
}
