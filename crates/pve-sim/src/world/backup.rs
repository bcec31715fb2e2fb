//! What a backup holds, and how its file is named.

use serde::{Deserialize, Serialize};

use super::World;
use super::container::Container;
use super::firewall::GuestFirewall;

/// The configuration of a container, with its description and its firewall, as it was when it was
/// backed up.
///
/// Made by [`Sim::backup`](crate::Sim::backup), put back by [`Sim::restore`](crate::Sim::restore).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Backup {
    pub(crate) container: Container,
    #[serde(default)]
    pub(crate) firewall: Option<GuestFirewall>,
}

impl Backup {
    /// `None` where there is no such container.
    pub(crate) fn new(world: &World, vmid: u32) -> Option<Self> {
        Some(Self {
            container: world.containers.get(&vmid)?.clone(),
            firewall: world.firewall.guests.get(&vmid).cloned(),
        })
    }
}

/// Seconds since the epoch as in the name of a backup's file: `2026_11_29-19_03_02`.
pub(crate) fn file_time(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year}_{month:02}_{day:02}-{hour:02}_{minute:02}_{second:02}")
}

/// Year, month and day of a day since the epoch.
fn civil(days: u64) -> (u64, u64, u64) {
    let mut left = days;
    let mut year = 1970;
    loop {
        let leap = u64::from(is_leap(year));
        if left < 365 + leap {
            break;
        }
        left -= 365 + leap;
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in months {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    (year, month, left + 1)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_is_named_after_its_time() {
        assert_eq!(file_time(0), "1970_01_01-00_00_00");
        assert_eq!(file_time(951_827_696), "2000_02_29-12_34_56");
        assert_eq!(file_time(1_798_761_599), "2026_12_31-23_59_59");
    }
}
