//! The kernel's figures for a process.

use std::{collections::HashMap, fs, time::Duration};

/// Ticks of `/proc/PID/stat`, which are hundredths of a second on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// Processor time of a process, including its time in the kernel.
pub fn processor_time(pid: u32) -> Duration {
    time_of(pid).unwrap()
}

/// The processor time of a process, if it still runs.
fn time_of(pid: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before the last `)` may hold spaces; after it, utime and stime are the 12th and
    // 13th.
    let (_, rest) = stat.rsplit_once(") ")?;
    let ticks: u32 = rest
        .split(' ')
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u32>().unwrap())
        .sum();
    Some(TICK * ticks)
}

/// Processor time of a process and of those children that still run.
pub fn processor_time_of_family(pid: u32) -> Duration {
    processor_times_of_family(pid).values().sum()
}

/// The processor times of a process and its children, by process.
pub fn processor_times_of_family(pid: u32) -> HashMap<u32, Duration> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let family = numbers.filter(|child| *child == pid || parent(*child) == Some(pid));
    family
        .filter_map(|member| Some((member, time_of(member)?)))
        .collect()
}

/// The parent of a process, if that still runs.
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(1)?.parse().ok()
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
