//! The processes of a container, as the host sees them: the one that the simulator has started and
//! all below it. A process namespace keeps them together, since an orphan there becomes a
//! child of the first process of the namespace.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// How often processes that go on to start others are killed, and the pause after each time.
const ROUNDS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(1);

/// The children of every process of the host.
pub(crate) struct ProcessTree(HashMap<u32, Vec<u32>>);

impl ProcessTree {
    /// As they are now.
    pub(crate) fn read() -> Self {
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let id = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            if let Some(id) = id
                && let Some(parent) = parent_of(id)
            {
                children.entry(parent).or_default().push(id);
            }
        }
        Self(children)
    }

    /// A process and all below it.
    pub(crate) fn tree(&self, top: u32) -> Vec<u32> {
        let mut tree = vec![top];
        let mut next = 0;
        while let Some(id) = tree.get(next).copied() {
            tree.extend(self.0.get(&id).into_iter().flatten());
            next += 1;
        }
        tree
    }
}

/// The parent in `/proc/PID/stat`, whose second field may have any character in it.
fn parent_of(id: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(1)?.parse().ok()
}

/// Whether a process still runs, as opposed to a zombie that its parent has not waited for.
pub(crate) fn runs(id: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest.as_bytes()[0]);
    state.is_some_and(|state| !matches!(state, b'Z' | b'X'))
}

/// Memory of these processes in bytes, without what they have from files. Memory that is shared
/// since a fork counts once only where the sum would be above `enough`, because sharing out takes
/// long.
pub(crate) fn memory(ids: &[u32], enough: u64) -> u64 {
    let sum = |one: fn(u32) -> u64| ids.iter().map(|id| one(*id)).sum();
    let quick: u64 = sum(resident);
    if quick <= enough {
        quick
    } else {
        sum(proportional)
    }
}

fn resident(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let figures = ["RssAnon", "RssShmem", "VmSwap"];
    figures
        .iter()
        .filter_map(|name| kibibytes(&status, name))
        .sum()
}

fn proportional(id: u32) -> u64 {
    let Ok(rollup) = fs::read_to_string(format!("/proc/{id}/smaps_rollup")) else {
        // It has gone, or the kernel does not share out.
        return resident(id);
    };
    let figures = ["Pss_Anon", "Pss_Shmem", "SwapPss"];
    figures
        .iter()
        .filter_map(|name| kibibytes(&rollup, name))
        .sum()
}

/// The open files of a process, to be looked at, not opened.
pub(crate) fn open_files(id: u32) -> impl Iterator<Item = std::path::PathBuf> {
    let folder = Path::new("/proc").join(id.to_string()).join("fd");
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path())
}

/// Sockets in the network namespace of a process; 0 where that is the simulator's own, as before
/// the process is confined, or cannot be told.
pub(crate) fn sockets(id: u32) -> u64 {
    let namespace = |id: &str| fs::read_link(format!("/proc/{id}/ns/net")).ok();
    let (own, other) = (namespace("self"), namespace(&id.to_string()));
    if own == other || other.is_none() {
        return 0;
    }
    let text = fs::read_to_string(format!("/proc/{id}/net/sockstat")).unwrap_or_default();
    let used = text
        .lines()
        .find_map(|line| line.strip_prefix("sockets: used "));
    used.and_then(|used| used.trim().parse().ok()).unwrap_or(0)
}

/// Kills a process, if there is one.
pub(crate) fn kill(id: u32) {
    if let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) {
        // It may have gone by itself just now.
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Kills what a process has started, but not the process itself; whether there was anything.
pub(crate) fn end_children(top: u32) -> bool {
    let mut any = false;
    for id in ProcessTree::read().tree(top).into_iter().skip(1) {
        if runs(id) {
            any = true;
            kill(id);
        }
    }
    any
}

/// Kills a process that adopts orphans, and what it has started, also what starts meanwhile.
pub(crate) fn end_family(top: u32) {
    for _ in 0..ROUNDS {
        if !end_children(top) {
            break;
        }
        std::thread::sleep(PAUSE);
    }
    kill(top);
}

/// Sends a signal to a process and to all below it.
pub(crate) fn signal_tree(top: u32, signal: Signal) {
    for id in ProcessTree::read().tree(top) {
        if let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) {
            // It may have gone by itself just now.
            let _ = kill_process(pid, signal);
        }
    }
}

/// Kills a process and what it has started. A tenant may have told the first process of his
/// namespace to outlive its parent, so that is killed first, and all others end with it.
pub(crate) fn end_tree(top: u32) {
    for id in ProcessTree::read().tree(top).into_iter().skip(1) {
        kill(id);
    }
    kill(top);
}

/// The figure that follows `name:` in lines such as `MemTotal:  24683840 kB`, in bytes.
pub(crate) fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let value = |line: &str| {
        line.strip_prefix(name)?
            .strip_prefix(':')?
            .trim()
            .to_owned()
            .into()
    };
    let value: String = text.lines().find_map(value)?;
    let number: u64 = value.strip_suffix(" kB")?.trim().parse().ok()?;
    Some(number * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_found_by_its_whole_name() {
        let text = "MemFree:   7 kB\nMemAvailable:  12 kB\nMem:  1 kB\n";
        assert_eq!(kibibytes(text, "Mem"), Some(1024));
        assert_eq!(kibibytes(text, "MemAvailable"), Some(12 * 1024));
        assert_eq!(kibibytes(text, "MemTotal"), None);
    }
}
