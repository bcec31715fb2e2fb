//! The service's clock, which payments, sign-ins and countdowns use, because the device's own may
//! be wrong by minutes or days.

/// The smallest difference that the page shows, in seconds.
const SMALLEST_REPORTED: u64 = 60;
/// The largest difference that is followed, in seconds. A service with a wrong clock must not get
/// signatures that are valid for days.
const LARGEST_FOLLOWED: i64 = 7 * 24 * 3600;
/// The greatest age of a `Date` when it is sent, in milliseconds: it has whole seconds, and servers
/// update it once a second.
const DATE_AGE: i64 = 2000;

/// How far the service's clock is ahead of the device's, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServerClock {
    ahead: i64,
}

impl ServerClock {
    /// The clock before the first response: the same as the device's.
    pub const UNKNOWN: Self = Self { ahead: 0 };

    /// The clock after a response with this `Date`, in Unix seconds. `sent` and `received` are the
    /// times of request and response by the device's clock, in milliseconds. A difference that the
    /// time on the way can explain counts as none.
    #[must_use]
    pub fn updated(self, date: i64, sent: i64, received: i64) -> Self {
        let date = date.saturating_mul(1000);
        let (least, most) = (
            date.saturating_sub(received),
            date.saturating_add(DATE_AGE).saturating_sub(sent),
        );
        Self {
            // If the device's clock was set back between request and response, the times say
            // nothing.
            ahead: if least > most {
                self.ahead
            } else {
                self.ahead.max(least).min(most)
            },
        }
    }

    /// The service's time for a time of the device's clock, both in Unix milliseconds.
    pub fn at(self, device: i64) -> i64 {
        if self.is_followed() {
            device.saturating_add(self.ahead)
        } else {
            device
        }
    }

    /// Whether the difference is small enough to be followed.
    pub fn is_followed(self) -> bool {
        self.seconds().abs() <= LARGEST_FOLLOWED
    }

    /// How many seconds the device's clock is ahead of the service's, negative if it is behind.
    /// None if the difference is too small to report.
    pub fn device_ahead(self) -> Option<i64> {
        (self.seconds().unsigned_abs() >= SMALLEST_REPORTED).then(|| -self.seconds())
    }

    fn seconds(self) -> i64 {
        self.ahead / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn clock_after_response(device_ahead: i64, took: i64) -> ServerClock {
        let sent = (NOW + device_ahead) * 1000;
        ServerClock::default().updated(NOW, sent, sent + took)
    }

    #[test]
    fn a_slow_line_does_not_change_a_right_clock() {
        for took in [0, 300, 20_000] {
            let clock = clock_after_response(0, took);
            assert_eq!(clock.at(NOW * 1000), NOW * 1000);
            assert_eq!(clock.device_ahead(), None);
        }
    }

    #[test]
    fn a_wrong_clock_is_corrected_and_reported() {
        for off in [-86_400, -600, 600, 86_400] {
            let clock = clock_after_response(off, 200);
            let service = clock.at((NOW + off) * 1000);
            assert!((service - NOW * 1000).abs() <= 2000, "{off}: {service}");
            let reported = clock.device_ahead().unwrap();
            assert!((reported - off).abs() <= 2, "{off}: {reported}");
        }
        assert_eq!(
            clock_after_response(30, 200).device_ahead(),
            None,
            "too small to report"
        );
    }

    #[test]
    fn a_clock_that_was_corrected_is_no_longer_reported() {
        let clock = clock_after_response(600, 100).updated(NOW, NOW * 1000, NOW * 1000 + 100);
        assert_eq!(clock.device_ahead(), None);
        let known = clock_after_response(600, 100);
        assert_eq!(known.updated(NOW, NOW * 1000, NOW * 1000 - 90_000), known);
    }

    #[test]
    fn a_difference_of_weeks_is_reported_and_not_followed() {
        let clock = clock_after_response(-30 * 86_400, 100);
        assert!(!clock.is_followed());
        assert_eq!(clock.at(NOW * 1000), NOW * 1000);
        assert!(clock.device_ahead().is_some());
    }
}
