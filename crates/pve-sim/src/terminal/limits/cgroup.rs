//! Control groups, version 2: one for the simulator's containers, and one in it for each container.
//! They are made below a group that is the simulator's alone, as systemd's `Delegate=yes` gives
//! one, or by root at the top of the hierarchy. No other program's group is changed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::quota::{HostSize, Quota};
use crate::processes;
use crate::terminal::host_user::is_root;

/// How a simulator's group begins at the top of the hierarchy; its process id follows.
const PREFIX: &str = "infra402-demo-";

/// Processes and threads of all containers together.
const PROCESSES_FOR_ALL: u64 = 4096;

/// The controllers that are needed.
const CONTROLLERS: [&str; 3] = ["cpu", "memory", "pids"];

/// The period over which processor time is measured, in microseconds.
const PERIOD: u64 = 100_000;

/// The pause between two tries to remove an emptied group, and their number.
const EMPTYING: (Duration, u32) = (Duration::from_millis(20), 100);

/// The group of one simulator.
pub(super) struct ControlGroups {
    path: PathBuf,
    /// The group that the simulator was in before it moved into a subgroup.
    home: Option<PathBuf>,
    next: AtomicU64,
}

/// The group of one container's shell; its processes are killed when it is dropped.
pub(in crate::terminal) struct ControlGroup {
    path: PathBuf,
    // Keeps the group above until this one has been removed.
    _groups: Arc<ControlGroups>,
}

impl ControlGroups {
    /// Makes the simulator's group.
    ///
    /// # Errors
    /// Why that is not possible here, for the operator.
    pub(super) fn find(host: &HostSize) -> Result<Arc<Self>, String> {
        let top = mount_point().ok_or("no cgroup2 file system is mounted")?;
        let own = own_group(&top).ok_or("the simulator is in no control group")?;
        let delegated = Self::in_own(&own);
        let groups = match delegated {
            Ok(groups) => groups,
            Err(cause) if is_root() => {
                Self::at_top(&top).map_err(|at_top| format!("{cause}; {at_top}"))?
            }
            Err(cause) => return Err(cause),
        };
        groups
            .limit(host)
            .map_err(|error| format!("{} cannot be limited: {error}", groups.path.display()))?;
        Ok(Arc::new(groups))
    }

    /// In the simulator's own group, if it holds no other process and may be divided.
    fn in_own(own: &Path) -> Result<Self, String> {
        lacks_no_controller(&own.join("cgroup.controllers"), own)?;
        let members = fs::read_to_string(own.join("cgroup.procs")).unwrap_or_default();
        let id = std::process::id().to_string();
        let shown = own.display();
        if members.lines().any(|member| member != id) {
            return Err(format!("{shown} is shared with other processes"));
        }
        // A group with processes of its own cannot be divided.
        let aside = own.join("simulator");
        let path = own.join("containers");
        let divided = fs::create_dir(&aside)
            .and_then(|()| fs::write(aside.join("cgroup.procs"), "0"))
            .and_then(|()| enable(own))
            .and_then(|()| fs::create_dir(&path));
        if let Err(error) = divided {
            move_back(own);
            return Err(format!("{shown} may not be divided: {error}"));
        }
        Ok(Self::new(path, Some(own.to_owned())))
    }

    /// At the top of the hierarchy, as only root may. What simulators that have crashed left there
    /// is removed.
    fn at_top(top: &Path) -> Result<Self, String> {
        lacks_no_controller(&top.join("cgroup.subtree_control"), top)?;
        for entry in fs::read_dir(top).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let owner = name.strip_prefix(PREFIX);
            if owner.is_some_and(|id| !Path::new("/proc").join(id).exists()) {
                for inner in fs::read_dir(entry.path()).into_iter().flatten().flatten() {
                    if inner.path().is_dir() {
                        remove(&inner.path());
                    }
                }
                remove(&entry.path());
            }
        }
        let path = top.join(format!("{PREFIX}{}", std::process::id()));
        // Another simulator of the same process may have it already; they share no containers.
        let path = (0..).map(|index| path.with_extension(index.to_string()));
        let mut path = path.skip_while(|path| path.exists());
        let path = path.next().ok_or("no name is left")?;
        fs::create_dir(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self::new(path, None))
    }

    fn new(path: PathBuf, home: Option<PathBuf>) -> Self {
        Self {
            path,
            home,
            next: AtomicU64::new(1),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn limit(&self, host: &HostSize) -> io::Result<()> {
        set_limits(
            &self.path,
            host.memory_for_all(),
            PROCESSES_FOR_ALL,
            host.percent_for_all(),
        )?;
        fs::write(self.path.join("cpu.weight"), "10")?;
        enable(&self.path)
    }

    /// Makes the group of a container's next shell.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn group(groups: &Arc<Self>, name: &str, quota: &Quota) -> io::Result<ControlGroup> {
        // The shell before may still be on its way out.
        let number = groups.next.fetch_add(1, Ordering::Relaxed);
        let path = groups.path.join(format!("{name}.{number}"));
        fs::create_dir(&path)?;
        let group = ControlGroup {
            path,
            _groups: groups.clone(),
        };
        set_limits(
            &group.path,
            quota.memory_bytes,
            quota.processes,
            quota.cpu_percent,
        )?;
        Ok(group)
    }
}

impl Drop for ControlGroups {
    fn drop(&mut self) {
        remove(&self.path);
        if let Some(home) = &self.home {
            move_back(home);
        }
    }
}

impl ControlGroup {
    pub(in crate::terminal) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

fn set_limits(group: &Path, memory: u64, processes: u64, percent: u64) -> io::Result<()> {
    fs::write(group.join("memory.max"), memory.to_string())?;
    let swap = group.join("memory.swap.max");
    if swap.exists() {
        fs::write(swap, "0")?;
    }
    fs::write(group.join("pids.max"), processes.to_string())?;
    let time = format!("{} {PERIOD}", PERIOD * percent / 100);
    fs::write(group.join("cpu.max"), time)
}

fn enable(group: &Path) -> io::Result<()> {
    let wanted = CONTROLLERS.map(|controller| format!("+{controller}"));
    fs::write(group.join("cgroup.subtree_control"), wanted.join(" "))
}

fn lacks_no_controller(list: &Path, group: &Path) -> Result<(), String> {
    let found = fs::read_to_string(list).unwrap_or_default();
    let has = |one: &&str| found.split_whitespace().any(|found| found == *one);
    let missing: Vec<&str> = CONTROLLERS.into_iter().filter(|one| !has(one)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let missing = missing.join(", ");
    Err(format!("{} hands down no {missing}", group.display()))
}

/// Brings the simulator back into the group that it has divided, as far as that is possible.
fn move_back(home: &Path) {
    let disabled = CONTROLLERS.map(|controller| format!("-{controller}"));
    let back = fs::write(home.join("cgroup.subtree_control"), disabled.join(" "))
        .and_then(|()| fs::write(home.join("cgroup.procs"), "0"))
        .and_then(|()| fs::remove_dir(home.join("simulator")));
    if let Err(error) = back {
        tracing::debug!(%error, "the simulator cannot return to its first control group");
    }
}

/// Kills everything in a group and removes it.
fn remove(group: &Path) {
    let (pause, times) = EMPTYING;
    for _ in 0..times {
        if fs::write(group.join("cgroup.kill"), "1").is_err() {
            // Kernels before 5.14 have no such file.
            for id in members(group) {
                processes::kill(id);
            }
        }
        match fs::remove_dir(group) {
            Ok(()) => return,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(_) => std::thread::sleep(pause),
        }
    }
    tracing::warn!(group = %group.display(), "a control group cannot be removed");
}

fn members(group: &Path) -> Vec<u32> {
    let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// Where the hierarchy is mounted.
fn mount_point() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let fields = |line: &str| -> Option<PathBuf> {
        let mut fields = line.split(' ').skip(1);
        let (place, kind) = (fields.next()?, fields.next()?);
        (kind == "cgroup2").then(|| PathBuf::from(place))
    };
    mounts.lines().find_map(fields)
}

/// The simulator's own group.
fn own_group(top: &Path) -> Option<PathBuf> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    Some(top.join(path))
}
