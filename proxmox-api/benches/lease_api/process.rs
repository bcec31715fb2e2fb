//! What the kernel says of a process.

use std::{fs, time::Duration};

/// Ticks of `/proc/PID/stat`, which are hundredths of a second on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// Processor time that a process has used, its kernel time included.
pub fn processor_time(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name before the last `)` may hold spaces; after it, utime and stime are the 12th and 13th.
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    let ticks: u32 = rest
        .split(' ')
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u32>().unwrap())
        .sum();
    TICK * ticks
}

/// Resident memory, in bytes.
pub fn resident(pid: u32) -> u64 {
    status(pid, "VmRSS:")
}

/// The most resident memory so far, in bytes.
pub fn resident_peak(pid: u32) -> u64 {
    status(pid, "VmHWM:")
}

/// A figure of a process's memory, in bytes.
fn status(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib << 10
}
