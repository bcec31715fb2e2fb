//! The kernel's figures for a process.

use std::{collections::HashMap, fs, time::Duration};

/// Processor times of threads, including their time in the kernel, as far as the threads still run.
/// The kernel counts them in nanoseconds for threads, and in hundredths of a second for processes.
pub struct ProcessorTimes(HashMap<ThreadId, Duration>);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct ThreadId {
    process: u32,
    thread: u32,
}

impl ProcessorTimes {
    /// Those of a process.
    pub fn of(process: u32) -> Self {
        Self::of_all(&[process])
    }

    /// Those of a process and of those children that still run.
    pub fn of_family(process: u32) -> Self {
        let all = numbers_in("/proc").unwrap();
        let family = all.filter(|child| *child == process || parent(*child) == Some(process));
        Self::of_all(&family.collect::<Vec<_>>())
    }

    fn of_all(processes: &[u32]) -> Self {
        let threads = processes.iter().flat_map(|process| {
            let threads = numbers_in(&format!("/proc/{process}/task"));
            let id = |thread| ThreadId {
                process: *process,
                thread,
            };
            threads.into_iter().flatten().map(id)
        });
        let timed = threads.filter_map(|thread| Some((thread, time_of(thread)?)));
        Self(timed.collect())
    }

    /// What these threads and new ones used since then.
    pub fn since(&self, then: &Self) -> Duration {
        let used = |(id, time): (&ThreadId, &Duration)| {
            time.saturating_sub(then.0.get(id).copied().unwrap_or_default())
        };
        self.0.iter().map(used).sum()
    }

    /// The same without processes that have started since, which may do other work.
    pub fn of_known_since(&self, then: &Self) -> Duration {
        let known = |id: &ThreadId| then.0.keys().any(|old| old.process == id.process);
        let times = self.0.iter().filter(|(id, _)| known(id));
        Self(times.map(|(id, time)| (*id, *time)).collect()).since(then)
    }
}

fn numbers_in(folder: &str) -> Option<impl Iterator<Item = u32> + use<>> {
    let entries = fs::read_dir(folder).ok()?.flatten();
    Some(entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()))
}

fn time_of(ThreadId { process, thread }: ThreadId) -> Option<Duration> {
    let text = fs::read_to_string(format!("/proc/{process}/task/{thread}/schedstat")).ok()?;
    let nanoseconds = text.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

/// The parent of a process, if that still runs.
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before the last `)` may hold spaces; the parent is the second after it.
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
