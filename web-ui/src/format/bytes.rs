//! Sizes in bytes, and percentages.

const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];

/// `1.5 GiB`: three digits at most, in powers of 1024 as Proxmox counts.
pub fn bytes(count: u64) -> String {
    if count < 1024 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    // 1023.5 would be rounded to 1024.
    while value >= 1023.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let decimals = usize::from(value < 10.0 && (value * 10.0).round() % 10.0 != 0.0);
    format!("{value:.decimals$} {}", UNITS[unit])
}

/// `512 MiB`, `1.5 GiB`: a number of MiB.
pub fn mebibytes(count: u32) -> String {
    bytes(u64::from(count) * 1024 * 1024)
}

/// `42 %`: a share from 0 to 1. Values outside are clamped.
pub fn percent(share: f64) -> String {
    let share = if share.is_finite() {
        share.clamp(0.0, 1.0)
    } else {
        0.0
    };
    format!("{:.0} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_at_most_three_digits() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (1024 * 1024 - 1, "1 MiB"),
            (8 * 1024 * 1024 * 1024, "8 GiB"),
            (12_884_901_888, "12 GiB"),
            (u64::MAX, "16384 PiB"),
        ];
        for (count, text) in cases {
            assert_eq!(bytes(count), text);
        }
        assert_eq!(mebibytes(512), "512 MiB");
        assert_eq!(mebibytes(1536), "1.5 GiB");
    }

    #[test]
    fn a_share_is_always_a_percentage() {
        assert_eq!(percent(0.424), "42 %");
        assert_eq!(percent(7.0), "100 %");
        assert_eq!(percent(f64::NAN), "0 %");
    }
}
