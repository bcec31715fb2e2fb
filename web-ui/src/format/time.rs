//! Durations and times.

use api_types::Timestamp;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// `2 d 4 h`, `1 h 05 min`, `12 min`, `40 s`: the two largest units of a number of seconds.
pub fn duration(seconds: u64) -> String {
    match seconds {
        DAY.. => pair(seconds / DAY, "d", seconds % DAY / HOUR, "h", 1),
        HOUR.. => pair(seconds / HOUR, "h", seconds % HOUR / MINUTE, "min", 2),
        MINUTE.. => pair(seconds / MINUTE, "min", seconds % MINUTE, "s", 2),
        _ => format!("{seconds} s"),
    }
}

fn pair(large: u64, large_unit: &str, small: u64, small_unit: &str, width: usize) -> String {
    if small == 0 {
        format!("{large} {large_unit}")
    } else {
        format!("{large} {large_unit} {small:0width$} {small_unit}")
    }
}

/// The same for a number of minutes, as leases are asked for.
pub fn minutes(count: u32) -> String {
    duration(u64::from(count) * MINUTE)
}

/// `2 d 04:05:06`, `4:05:06`, `5:06`: the time left until a timestamp, for a display that changes
/// every second.
pub fn countdown(until: Timestamp, now: u64) -> String {
    let left = until.unix().saturating_sub(now);
    let (days, hours) = (left / DAY, left % DAY / HOUR);
    let (minutes, seconds) = (left % HOUR / MINUTE, left % MINUTE);
    match (days, hours) {
        (0, 0) => format!("{minutes}:{seconds:02}"),
        (0, _) => format!("{hours}:{minutes:02}:{seconds:02}"),
        _ => format!("{days} d {hours:02}:{minutes:02}:{seconds:02}"),
    }
}

/// `just now`, `5 min ago`, `3 d ago`.
pub fn ago(then: u64, now: u64) -> String {
    let past = now.saturating_sub(then);
    let (count, unit) = match past {
        DAY.. => (past / DAY, "d"),
        HOUR.. => (past / HOUR, "h"),
        MINUTE.. => (past / MINUTE, "min"),
        _ => return "just now".to_owned(),
    };
    format!("{count} {unit} ago")
}

/// `2026-01-31 12:00 UTC`.
pub fn utc_minute(at: Timestamp) -> String {
    format!("{} UTC", local_minute(at, 0))
}

/// `2026-01-31 13:00`: in a time zone that is so many minutes ahead of UTC.
pub fn local_minute(at: Timestamp, ahead: i32) -> String {
    let seconds = i64::from(ahead) * 60;
    let text = Timestamp(at.unix().saturating_add_signed(seconds)).to_string();
    let (date, time) = text.split_once('T').unwrap_or((&text, ""));
    format!("{date} {}", time.get(..5).unwrap_or(time))
}

/// `13:00` for a time of today, otherwise `2026-01-31 13:00`. Both arguments are as
/// [`local_minute`] writes them.
pub fn short_minute<'m>(minute: &'m str, now: &str) -> &'m str {
    match (minute.split_once(' '), now.split_once(' ')) {
        (Some((day, time)), Some((today, _))) if day == today => time,
        _ => minute,
    }
}

/// `1.2 s`, `340 ms`: how long a call took.
pub fn elapsed(milliseconds: u64) -> String {
    match milliseconds {
        60_000.. => duration(milliseconds / 1000),
        1000.. => format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100),
        _ => format!("{milliseconds} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_in_its_two_largest_units() {
        let cases = [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (65, "1 min 05 s"),
            (3600, "1 h"),
            (3900, "1 h 05 min"),
            (90_000, "1 d 1 h"),
            (172_800, "2 d"),
        ];
        for (seconds, text) in cases {
            assert_eq!(duration(seconds), text);
        }
        assert_eq!(minutes(90), "1 h 30 min");
    }

    #[test]
    fn a_countdown_ends_at_zero_and_stays_there() {
        let end = Timestamp(1_000_000);
        assert_eq!(countdown(end, 1_000_000 - 65), "1:05");
        assert_eq!(countdown(end, 1_000_000 - 3_661), "1:01:01");
        assert_eq!(countdown(end, 1_000_000 - 90_061), "1 d 01:01:01");
        assert_eq!(countdown(end, 1_000_000), "0:00");
        assert_eq!(countdown(end, 2_000_000), "0:00");
    }

    #[test]
    fn the_past_is_told_in_one_unit() {
        assert_eq!(ago(100, 130), "just now");
        assert_eq!(ago(0, 300), "5 min ago");
        assert_eq!(ago(0, 7_300), "2 h ago");
        assert_eq!(ago(0, 200_000), "2 d ago");
        assert_eq!(ago(500, 100), "just now");
    }

    #[test]
    fn instants_and_durations_of_calls_are_short() {
        assert_eq!(utc_minute(Timestamp(951_782_400)), "2000-02-29 00:00 UTC");
        assert_eq!(
            local_minute(Timestamp(951_782_400), 330),
            "2000-02-29 05:30"
        );
        assert_eq!(
            local_minute(Timestamp(951_782_400), -60),
            "2000-02-28 23:00"
        );
        let now = "2026-01-31 13:00";
        assert_eq!(short_minute("2026-01-31 12:59", now), "12:59");
        assert_eq!(short_minute("2026-01-30 12:59", now), "2026-01-30 12:59");
        assert_eq!(local_minute(Timestamp(0), -60), "1970-01-01 00:00");
        assert_eq!(elapsed(340), "340 ms");
        assert_eq!(elapsed(1_250), "1.2 s");
        assert_eq!(elapsed(61_000), "1 min 01 s");
    }
}
