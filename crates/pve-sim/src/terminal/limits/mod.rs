//! The limits of a confined shell. Memory, processes and processors are limited by the
//! kernel where the simulator has control groups (`cgroup`); elsewhere each process has limits of
//! its own, and a thread (`watch`) adds up what a container uses and ends it. Files are counted by
//! that thread everywhere. Sizes are the container's own, cut to the host's (`quota`).

mod cgroup;
mod quota;
mod usage;
mod watch;

use std::path::PathBuf;
use std::sync::{Arc, Weak};

use super::rootfs::RootFolders;
use super::session::DtachSession;
use cgroup::{ControlGroup, ControlGroups};
pub(crate) use quota::ContainerSize;
use quota::{HostSize, Quota};
use watch::{GuardedShell, LimitWatch};

/// The limits of all containers of one simulator.
pub(super) struct Limits {
    host: HostSize,
    /// Control groups, or why there are none.
    groups: Result<Arc<ControlGroups>, String>,
    watch: Arc<LimitWatch>,
}

/// The limits of one container's shell.
pub(super) struct Bounds {
    quota: Quota,
    /// Arguments of `prlimit`.
    pub(super) rlimits: Vec<String>,
    /// The control group to run in.
    pub(super) group: Option<ControlGroup>,
}

impl Bounds {
    /// Arguments of `prlimit` for the container's server, which has several open files for each
    /// of the programs that it starts.
    pub(super) fn rlimits_of_server(&self) -> Vec<String> {
        let most = quota::open_files_of_server();
        let files = |argument: &String| argument.starts_with(quota::OPEN_FILES);
        let others = self.rlimits.iter().filter(|argument| !files(argument));
        let mut rlimits: Vec<String> = others.cloned().collect();
        rlimits.push(format!("{}{most}", quota::OPEN_FILES));
        rlimits
    }

    /// How many files one program may have open, where that is less than the server may.
    pub(super) fn open_files(&self) -> Option<u64> {
        let mut all = self.rlimits.iter();
        let most = all.find_map(|argument| argument.strip_prefix(quota::OPEN_FILES))?;
        let most = most.parse().ok()?;
        (most < quota::open_files_of_server()).then_some(most)
    }

    /// For the command that checks whether shells can be confined.
    pub(super) fn for_a_probe() -> Self {
        let quota = Quota::new(ContainerSize::default(), &HostSize::read());
        let rlimits = quota.rlimits(false);
        Self {
            quota,
            rlimits,
            group: None,
        }
    }
}

impl Limits {
    /// Finds out what this host has to limit shells with.
    pub(super) fn find(roots: &Arc<RootFolders>) -> Self {
        let host = HostSize::read();
        Self {
            groups: ControlGroups::find(&host),
            host,
            watch: LimitWatch::new(roots.clone()),
        }
    }

    /// The limits of a container's next shell; its control group is made.
    ///
    /// # Errors
    /// The control group cannot be made.
    pub(super) fn bounds(&self, name: &str, size: ContainerSize) -> std::io::Result<Bounds> {
        let quota = Quota::new(size, &self.host);
        let groups = self.groups.as_ref().ok();
        let group = groups.map(|groups| ControlGroups::group(groups, name, &quota));
        let group = group.transpose()?;
        Ok(Bounds {
            rlimits: quota.rlimits(group.is_some()),
            quota,
            group,
        })
    }

    /// Watches over a shell until it ends. `pid` is the process that the simulator has started,
    /// `root` the folder with the container's files.
    pub(super) fn guard(
        &self,
        name: String,
        session: Weak<DtachSession>,
        pid: u32,
        root: PathBuf,
        bounds: Bounds,
    ) {
        let Bounds { quota, group, .. } = bounds;
        let guarded = GuardedShell::new(name, session, pid, root, quota, group);
        LimitWatch::add(&self.watch, guarded);
    }

    /// Ends all shells and removes their control groups.
    pub(super) fn close(&self) {
        self.watch.close();
    }

    /// Whether the kernel itself limits the memory, processes and processors of containers.
    pub(super) fn by_the_kernel(&self) -> bool {
        self.groups.is_ok()
    }

    /// What is enforced, by what, and what is not, for the operator.
    pub(super) fn describe(&self) -> String {
        match &self.groups {
            Ok(groups) => format!(
                "memory, processes and processors by control groups in {}; files by counting",
                groups.path().display()
            ),
            Err(cause) => format!(
                "processes by rlimits; memory and files by counting; processors by lowest priority \
                 alone ({cause})"
            ),
        }
    }
}
