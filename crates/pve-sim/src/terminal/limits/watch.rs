//! The thread that watches over running shells: it adds up what each container uses, ends those
//! that use too much, and ends the largest where the host itself runs out. A container that is
//! ended for its files loses them, since the host may need their space.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::cgroup::ControlGroup;
use super::quota::{Quota, meminfo};
use super::usage::{self, ContainerUsage};
use crate::processes::{self, ProcessTree};
use crate::terminal::rootfs::RootFolders;
use crate::terminal::session::DtachSession;

/// How often memory is added up, and the host is checked.
const TICK: Duration = Duration::from_millis(200);

/// The shortest pause between two counts of files.
const MIN_COUNT_PAUSE: Duration = Duration::from_secs(1);

/// The pause after a count of files, as a multiple of the time that it took.
const COUNT_PAUSE_FACTOR: u32 = 10;

/// How long to wait for the processes of an ended container before its files are removed.
const END_TIMEOUT: Duration = Duration::from_secs(3);

/// The share of its memory and of its disk that the host keeps.
const RESERVE: u64 = 20;

/// The most disk that is kept for the host, in bytes.
const MAX_DISK_RESERVE: u64 = 2 << 30;

/// One running shell.
pub(super) struct GuardedShell {
    name: String,
    session: Weak<DtachSession>,
    pid: u32,
    root: PathBuf,
    quota: Quota,
    /// Its memory is limited by this group.
    group: Option<ControlGroup>,
    memory: u64,
    sockets: u64,
    files: ContainerUsage,
    count_at: Instant,
}

impl GuardedShell {
    pub(super) fn new(
        name: String,
        session: Weak<DtachSession>,
        pid: u32,
        root: PathBuf,
        quota: Quota,
        group: Option<ControlGroup>,
    ) -> Self {
        Self {
            name,
            session,
            pid,
            root,
            quota,
            group,
            memory: 0,
            sockets: 0,
            files: ContainerUsage::default(),
            count_at: Instant::now(),
        }
    }

    fn runs(&self) -> bool {
        self.session
            .upgrade()
            .is_some_and(|session| session.is_open())
    }

    fn measure(&mut self, processes_of_host: &ProcessTree) {
        let tree = processes_of_host.tree(self.pid);
        if self.group.is_none() {
            self.memory = processes::memory(&tree, self.quota.memory_bytes);
            // The first processes may still be outside of its network namespace.
            self.sockets = tree.last().copied().map_or(0, processes::sockets);
        }
        let now = Instant::now();
        if now < self.count_at {
            return;
        }
        match usage::measure(&self.root, &tree, self.quota.files) {
            Ok(files) => self.files = files,
            Err(error) => {
                tracing::debug!(%error, vmid = self.name, "the files of a container cannot be counted")
            }
        }
        self.count_at = Instant::now() + MIN_COUNT_PAUSE.max(now.elapsed() * COUNT_PAUSE_FACTOR);
    }
}

/// Why a container's programs are ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Excess {
    Memory(u64),
    Sockets(u64),
    Disk(u64),
    Files(u64),
    HostMemory,
    HostDisk,
}

impl Excess {
    fn find(memory: u64, sockets: u64, files: ContainerUsage, quota: &Quota) -> Option<Self> {
        if memory > quota.memory_bytes {
            Some(Self::Memory(quota.memory_bytes))
        } else if sockets > quota.sockets {
            Some(Self::Sockets(quota.sockets))
        } else if files.bytes > quota.disk_bytes {
            Some(Self::Disk(quota.disk_bytes))
        } else if files.files > quota.files {
            Some(Self::Files(quota.files))
        } else {
            None
        }
    }

    fn costs_files(self) -> bool {
        matches!(self, Self::Disk(_) | Self::Files(_) | Self::HostDisk)
    }
}

impl fmt::Display for Excess {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: &u64| bytes >> 20;
        match self {
            Self::Memory(most) => {
                write!(formatter, "they used more than {} MiB of memory", mib(most))
            }
            Self::Sockets(most) => write!(formatter, "they opened more than {most} sockets"),
            Self::Disk(most) => {
                write!(formatter, "they wrote more than {} MiB of files", mib(most))
            }
            Self::Files(most) => write!(formatter, "they made more than {most} files"),
            Self::HostMemory => formatter.write_str("the demo's host has hardly any memory left"),
            Self::HostDisk => formatter.write_str("the demo's host has hardly any disk left"),
        }
    }
}

/// The running shells, and what they are held to.
pub(super) struct LimitWatch {
    roots: Arc<RootFolders>,
    guards: Mutex<GuardedShells>,
    /// Told when the thread has to end.
    closing: Condvar,
}

#[derive(Default)]
struct GuardedShells {
    /// Shells that the thread has not seen yet.
    new: Vec<GuardedShell>,
    thread: Option<JoinHandle<()>>,
    closed: bool,
}

impl LimitWatch {
    pub(super) fn new(roots: Arc<RootFolders>) -> Arc<Self> {
        Arc::new(Self {
            roots,
            guards: Mutex::default(),
            closing: Condvar::new(),
        })
    }

    /// Watches over one more; the thread runs as long as there is any. A shell that cannot be
    /// watched is ended.
    pub(super) fn add(watch: &Arc<Self>, guarded: GuardedShell) {
        let mut guards = watch.guards();
        if guards.closed {
            return processes::end_tree(guarded.pid);
        }
        if guards.thread.is_none() {
            let name = std::thread::Builder::new().name("shell-watch".into());
            let for_thread = watch.clone();
            match name.spawn(move || for_thread.keep_watching()) {
                Ok(thread) => guards.thread = Some(thread),
                Err(error) => {
                    tracing::error!(%error, "a shell cannot be watched, so it is ended");
                    return processes::end_tree(guarded.pid);
                }
            }
        }
        guards.new.push(guarded);
    }

    /// Ends the thread, and with it the control groups of all shells.
    pub(super) fn close(&self) {
        let mut guards = self.guards();
        guards.closed = true;
        self.closing.notify_all();
        let thread = guards.thread.take();
        drop(guards);
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that watches shells has failed");
        }
    }

    fn keep_watching(&self) {
        let mut guarded = Vec::new();
        let mut guards = self.guards();
        loop {
            let wait = self
                .closing
                .wait_timeout_while(guards, TICK, |guards| !guards.closed);
            guards = wait
                .expect("no code panics while it holds the guarded shells")
                .0;
            guarded.append(&mut guards.new);
            if guards.closed || guarded.is_empty() {
                guards.thread = None;
                return;
            }
            drop(guards);
            self.check_all(&mut guarded);
            guards = self.guards();
        }
    }

    fn guards(&self) -> MutexGuard<'_, GuardedShells> {
        self.guards
            .lock()
            .expect("no code panics while it holds the guarded shells")
    }

    /// Looks at all once.
    fn check_all(&self, guarded: &mut Vec<GuardedShell>) {
        // A group takes what is left of its shell along.
        guarded.retain(GuardedShell::runs);
        let processes_of_host = ProcessTree::read();
        let mut over = Vec::new();
        for (index, one) in guarded.iter_mut().enumerate() {
            one.measure(&processes_of_host);
            if let Some(excess) = Excess::find(one.memory, one.sockets, one.files, &one.quota) {
                over.push((index, excess));
            }
        }
        if over.is_empty() {
            over.extend(self.largest(guarded));
        }
        // From the last on, so that the indices stay true.
        for (index, excess) in over.into_iter().rev() {
            let one = guarded.swap_remove(index);
            self.end(one, &processes_of_host, excess);
        }
    }

    /// The container to end first where the host runs out of memory or disk.
    fn largest(&self, guarded: &[GuardedShell]) -> Option<(usize, Excess)> {
        let by = |size: fn(&GuardedShell) -> u64| {
            let largest = guarded.iter().enumerate().max_by_key(|(_, one)| size(one));
            largest.map(|(index, _)| index)
        };
        let place = guarded.first()?.root.parent()?;
        if lacks_disk(place) {
            return Some((by(|one| one.files.bytes)?, Excess::HostDisk));
        }
        let ungrouped = guarded.iter().any(|one| one.group.is_none());
        if ungrouped && lacks_memory() {
            return Some((by(|one| one.memory)?, Excess::HostMemory));
        }
        None
    }

    fn end(&self, one: GuardedShell, processes_of_host: &ProcessTree, excess: Excess) {
        let cause = excess.to_string();
        tracing::warn!(
            vmid = one.name,
            error = cause,
            "the programs of a container are ended"
        );
        let files = if excess.costs_files() {
            " Its files are removed."
        } else {
            ""
        };
        // Aside before the shell ends, so that the next one finds a new folder.
        let aside = excess
            .costs_files()
            .then(|| self.roots.set_aside(&one.name));
        if let Some(session) = one.session.upgrade() {
            session.tell(&format!(
                "\r\n\r\n[This container's programs are ended, because {cause}.{files}]\r\n"
            ));
            session.end();
        }
        let tree = processes_of_host.tree(one.pid);
        processes::end_tree(one.pid);
        let until = Instant::now() + END_TIMEOUT;
        while tree.iter().any(|id| processes::runs(*id)) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        if let Some(folder) = aside.flatten() {
            RootFolders::discard(&folder);
        }
    }
}

fn lacks_memory() -> bool {
    let figures = meminfo("MemAvailable").zip(meminfo("MemTotal"));
    figures.is_some_and(|(available, total)| available < total / RESERVE)
}

fn lacks_disk(folder: &Path) -> bool {
    usage::free(folder).is_ok_and(|(free, size)| free < (size / RESERVE).min(MAX_DISK_RESERVE))
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: Quota = Quota {
        cpu_percent: 100,
        memory_bytes: 512 << 20,
        disk_bytes: 1 << 30,
        files: 100,
        processes: 10,
        sockets: 20,
    };

    #[test]
    fn a_container_may_have_its_quota_and_no_byte_more() {
        let files = |bytes, files| ContainerUsage { bytes, files };
        let full = files(1 << 30, 100);
        assert_eq!(Excess::find(512 << 20, 20, full, &QUOTA), None);
        let cases = [
            (
                Excess::find((512 << 20) + 1, 21, full, &QUOTA),
                "they used more than 512 MiB of memory",
            ),
            (
                Excess::find(0, 21, full, &QUOTA),
                "they opened more than 20 sockets",
            ),
            (
                Excess::find(0, 0, files((1 << 30) + 1, 1), &QUOTA),
                "they wrote more than 1024 MiB of files",
            ),
            (
                Excess::find(0, 0, files(0, 101), &QUOTA),
                "they made more than 100 files",
            ),
        ];
        for (excess, text) in cases {
            assert_eq!(excess.unwrap().to_string(), text);
        }
    }
}
