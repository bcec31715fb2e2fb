//! The service's clock, by which payments, sign-ins and countdowns go: the device's own may be wrong by minutes or by days.

/// From so many seconds on, the difference is told to the customer.
const WORTH_TELLING: u64 = 60;
/// A larger difference is not followed, in seconds: a signature that is good for days must not come of a service's odd clock.
const LARGEST: i64 = 7 * 24 * 3600;
/// A `Date` is as old as this at most when it is sent, in milliseconds: it has whole seconds, and servers write it once a second.
const STALE: i64 = 2000;

/// How far the service's clock is ahead of the device's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServerClock {
    ahead: i64,
}

impl ServerClock {
    /// Before the first answer: as the device's.
    pub const UNKNOWN: Self = Self { ahead: 0 };

    /// Takes the `Date` of an answer, in Unix seconds, which was asked for and came at these moments of the device's clock, in
    /// milliseconds. A difference that the times of the journey explain is none.
    #[must_use]
    pub fn seen(self, date: i64, sent: i64, came: i64) -> Self {
        let date = date.saturating_mul(1000);
        let (least, most) = (
            date.saturating_sub(came),
            date.saturating_add(STALE).saturating_sub(sent),
        );
        Self {
            // A clock that was set back while the answer was on its way says nothing.
            ahead: if least > most {
                self.ahead
            } else {
                self.ahead.max(least).min(most)
            },
        }
    }

    /// The service's time at a moment of the device's clock, both in milliseconds.
    pub fn at(self, device: i64) -> i64 {
        if self.is_followed() {
            device.saturating_add(self.ahead)
        } else {
            device
        }
    }

    /// Whether the difference is small enough to be followed.
    pub fn is_followed(self) -> bool {
        self.seconds().abs() <= LARGEST
    }

    /// How many seconds the device's clock is ahead of the service's, where that is worth telling; negative where it is behind.
    pub fn device_ahead(self) -> Option<i64> {
        (self.seconds().unsigned_abs() >= WORTH_TELLING).then(|| -self.seconds())
    }

    fn seconds(self) -> i64 {
        self.ahead / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn seen(device_ahead: i64, took: i64) -> ServerClock {
        let sent = (NOW + device_ahead) * 1000;
        ServerClock::default().seen(NOW, sent, sent + took)
    }

    #[test]
    fn a_right_clock_is_left_alone_however_slow_the_line_is() {
        for took in [0, 300, 20_000] {
            let clock = seen(0, took);
            assert_eq!(clock.at(NOW * 1000), NOW * 1000);
            assert_eq!(clock.device_ahead(), None);
        }
    }

    #[test]
    fn a_wrong_clock_is_made_up_for_and_told() {
        for off in [-86_400, -600, 600, 86_400] {
            let clock = seen(off, 200);
            let service = clock.at((NOW + off) * 1000);
            assert!((service - NOW * 1000).abs() <= 2000, "{off}: {service}");
            let told = clock.device_ahead().unwrap();
            assert!((told - off).abs() <= 2, "{off}: {told}");
        }
        assert_eq!(seen(30, 200).device_ahead(), None, "not worth a word");
    }

    #[test]
    fn a_clock_that_is_set_right_is_believed_again() {
        let clock = seen(600, 100).seen(NOW, NOW * 1000, NOW * 1000 + 100);
        assert_eq!(clock.device_ahead(), None);
        let undecided = seen(600, 100);
        assert_eq!(
            undecided.seen(NOW, NOW * 1000, NOW * 1000 - 90_000),
            undecided
        );
    }

    #[test]
    fn a_service_of_another_age_is_told_of_and_not_followed() {
        let clock = seen(-30 * 86_400, 100);
        assert!(!clock.is_followed());
        assert_eq!(clock.at(NOW * 1000), NOW * 1000);
        assert!(clock.device_ahead().is_some());
    }
}
