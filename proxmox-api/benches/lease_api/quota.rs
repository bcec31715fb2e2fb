//! A limit on a process's processor time, so that the replicas on one machine can be as slow as
//! replicas on small machines of their own, while the database is not limited.

use std::{fs, io, path::PathBuf, time::Duration};

/// Short, so that a process that has used up its share waits only milliseconds.
const PERIOD: Duration = Duration::from_millis(10);

/// A control group with one process; removed when this is dropped, which is after the process
/// ended.
pub struct Quota(PathBuf);

impl Quota {
    /// Gives the process `share` of one core.
    ///
    /// # Errors
    ///
    /// The kernel has no controller for processor time here, or this user may not use it.
    pub fn on(pid: u32, share: f64) -> io::Result<Self> {
        let first_version = PathBuf::from("/sys/fs/cgroup/cpu");
        let quota = PERIOD.mul_f64(share).as_micros();
        let period = PERIOD.as_micros();
        let name = format!("infra402-bench-{pid}");
        let (group, limits) = if first_version.join("cpu.cfs_quota_us").exists() {
            let limits = vec![
                ("cpu.cfs_period_us", period.to_string()),
                ("cpu.cfs_quota_us", quota.to_string()),
            ];
            (first_version.join(name), limits)
        } else {
            let limits = vec![("cpu.max", format!("{quota} {period}"))];
            (PathBuf::from("/sys/fs/cgroup").join(name), limits)
        };
        fs::create_dir(&group)?;
        let group = Self(group);
        for (file, limit) in limits {
            fs::write(group.0.join(file), limit)?;
        }
        fs::write(group.0.join("cgroup.procs"), pid.to_string())?;
        Ok(group)
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}
