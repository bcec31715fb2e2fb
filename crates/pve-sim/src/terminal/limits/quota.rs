//! The limits of a container: its own size, reduced to what the host can spare.

use std::num::NonZero;

use rustix::process::{Resource, getrlimit};

use crate::processes::kibibytes;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Threads and processes of one container.
const PROCESSES: u64 = 256;

/// Names of files and folders of one container. Bounds the time that counting them takes.
const FILES: u64 = 50_000;

/// Limit of open files of one process where no control group counts memory: a pipe has memory that
/// no other limit counts.
const OPEN_FILES_UNCOUNTED: u64 = 256;

/// Limit of open files of a container's own server.
const OPEN_FILES_OF_SERVER: u64 = 1024;

/// The argument of `prlimit` for open files, without the number.
pub(super) const OPEN_FILES: &str = "--nofile=";

/// Sockets of one container there: each may hold 200 KB on their way to another.
const SOCKETS: u64 = 1000;

/// A container's size as its configuration has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ContainerSize {
    /// Processors; none named means all.
    pub(crate) cores: Option<u64>,
    /// Memory in MiB.
    pub(crate) memory_mib: u64,
    /// Root disk in bytes.
    pub(crate) disk_bytes: u64,
}

impl Default for ContainerSize {
    /// What Proxmox gives a container for which nothing is said, on a disk of 8 GiB.
    fn default() -> Self {
        Self {
            cores: None,
            memory_mib: 512,
            disk_bytes: 8 * GIB,
        }
    }
}

/// How many files a container's own server may have open.
pub(super) fn open_files_of_server() -> u64 {
    let inherited = getrlimit(Resource::Nofile).maximum;
    inherited.map_or(OPEN_FILES_OF_SERVER, |most| most.min(OPEN_FILES_OF_SERVER))
}

/// The host's own size.
#[derive(Debug, Clone, Copy)]
pub(super) struct HostSize {
    /// Processors.
    pub(super) cores: u64,
    /// Memory in bytes.
    pub(super) memory_bytes: u64,
}

impl HostSize {
    pub(super) fn read() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            cores: cores as u64,
            // Without a figure the host is taken for a small one.
            memory_bytes: meminfo("MemTotal").unwrap_or(GIB),
        }
    }

    /// Memory that all containers together may have.
    pub(super) fn memory_for_all(&self) -> u64 {
        self.memory_bytes / 2
    }

    /// Hundredths of a processor that all containers together may have.
    pub(super) fn percent_for_all(&self) -> u64 {
        self.cores * 75
    }
}

/// A figure of `/proc/meminfo` in bytes.
pub(super) fn meminfo(name: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    kibibytes(&text, name)
}

/// The limits of one container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quota {
    /// Hundredths of a processor.
    pub(super) cpu_percent: u64,
    /// Memory in bytes.
    pub(super) memory_bytes: u64,
    /// Bytes on disk.
    pub(super) disk_bytes: u64,
    /// Names of files.
    pub(super) files: u64,
    /// Threads and processes.
    pub(super) processes: u64,
    /// Sockets, where the kernel adds up no memory.
    pub(super) sockets: u64,
}

impl Quota {
    /// The container's own size, but no more of the memory than a quarter and no more processors
    /// than all containers may have together.
    pub(super) fn new(size: ContainerSize, host: &HostSize) -> Self {
        let cores = size.cores.unwrap_or(host.cores);
        let memory = size.memory_mib.saturating_mul(MIB);
        Self {
            cpu_percent: cores.saturating_mul(100).min(host.percent_for_all()).max(1),
            memory_bytes: memory.min(host.memory_bytes / 4).max(32 * MIB),
            disk_bytes: size.disk_bytes.max(64 * MIB),
            files: FILES,
            processes: PROCESSES,
            sockets: SOCKETS,
        }
    }

    /// Arguments of `prlimit` for each process. `grouped` are those whose memory the kernel adds
    /// up; the others may each have twice the container's, since much of what a program asks for
    /// is never used.
    pub(super) fn rlimits(&self, grouped: bool) -> Vec<String> {
        // The largest file fits, so that a program is told of the end of the disk before all
        // are ended for it.
        let file = self.disk_bytes - self.disk_bytes / 16;
        let open_files = if grouped { 1024 } else { OPEN_FILES_UNCOUNTED };
        let mut limits = vec![
            (Resource::Nproc, "nproc", self.processes),
            (Resource::Fsize, "fsize", file),
            (Resource::Cpu, "cpu", 3600),
            (Resource::Nofile, "nofile", open_files),
            (Resource::Core, "core", 0),
        ];
        if !grouped {
            let space = (self.memory_bytes * 2).max(GIB);
            limits.push((Resource::As, "as", space));
        }
        let argument = |(resource, name, value): (Resource, &str, u64)| {
            // Only a privileged process may raise an inherited limit.
            let inherited = getrlimit(resource).maximum;
            let value = inherited.map_or(value, |most| value.min(most));
            format!("--{name}={value}")
        };
        limits.into_iter().map(argument).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: HostSize = HostSize {
        cores: 4,
        memory_bytes: 8 * GIB,
    };

    #[test]
    fn a_container_has_its_own_size_where_the_host_can_spare_it() {
        let size = ContainerSize {
            cores: Some(2),
            memory_mib: 1024,
            disk_bytes: 8 * GIB,
        };
        let quota = Quota::new(size, &HOST);
        assert_eq!(quota.cpu_percent, 200);
        assert_eq!(quota.memory_bytes, GIB);
        assert_eq!(quota.disk_bytes, 8 * GIB);
        let large = ContainerSize {
            cores: None,
            memory_mib: u64::MAX,
            disk_bytes: 8 * GIB,
        };
        let quota = Quota::new(large, &HOST);
        assert_eq!((quota.cpu_percent, quota.memory_bytes), (300, 2 * GIB));
    }

    #[test]
    fn where_nobody_adds_up_pipes_a_process_has_few_open_files() {
        let quota = Quota::new(ContainerSize::default(), &HOST);
        let of = |grouped| {
            let limits = quota.rlimits(grouped);
            let open = limits.iter().find_map(|one| one.strip_prefix("--nofile="));
            open.unwrap().parse::<u64>().unwrap()
        };
        assert!(of(false) <= 256 && of(false) <= of(true));
    }
}
