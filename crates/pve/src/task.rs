//! Worker tasks: everything slow in Proxmox answers with the identifier of a task, which is polled
//! at the node that runs it until it has stopped.

use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use http::Method;
use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout_at};

use crate::client::Client;
use crate::error::{ApiCall, Error};
use crate::ids::{NodeName, Vmid};
use crate::lenient;
use crate::path::ApiPath;
use crate::poll::PollSchedule;
use crate::upid::Upid;

/// How a task ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskOutcome {
    /// Successfully, without warnings.
    Ok,
    /// Successfully, with this many warnings in its log.
    Warnings(u32),
    /// Not successfully, for this reason.
    Failed(String),
}

impl TaskOutcome {
    /// Warnings are a success: current Proxmox warns about every modern template without nesting,
    /// and runs it.
    pub fn is_success(&self) -> bool {
        !matches!(self, Self::Failed(_))
    }

    fn parse(exitstatus: &str) -> Self {
        if exitstatus == "OK" {
            return Self::Ok;
        }
        match exitstatus
            .strip_prefix("WARNINGS:")
            .map(|count| count.trim().parse())
        {
            Some(Ok(count)) => Self::Warnings(count),
            _ => Self::Failed(crate::error::one_line(exitstatus, 400)),
        }
    }
}

impl fmt::Display for TaskOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("OK"),
            Self::Warnings(count) => write!(f, "WARNINGS: {count}"),
            Self::Failed(reason) => f.write_str(reason),
        }
    }
}

/// Whether a task still runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskStatus {
    /// It does.
    Running,
    /// It has ended.
    Stopped(TaskOutcome),
}

/// A page of a task's log.
#[derive(Clone, Debug, Default)]
pub struct TaskLog {
    /// The lines.
    pub lines: Vec<LogLine>,
    /// The number of lines in the whole log, where Proxmox tells it.
    pub total: Option<u64>,
}

/// One line of a task's log.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct LogLine {
    /// Its number, from 1.
    #[serde(deserialize_with = "lenient::required_u64")]
    pub n: u64,
    /// Its text.
    #[serde(default)]
    pub t: String,
}

/// Receives the lines of a task's log as they appear.
#[derive(Clone)]
pub struct LineSink(Arc<dyn Fn(&LogLine) + Send + Sync>);

impl LineSink {
    /// Calls `sink` with every line.
    pub fn new(sink: impl Fn(&LogLine) + Send + Sync + 'static) -> Self {
        Self(Arc::new(sink))
    }
}

impl fmt::Debug for LineSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LineSink")
    }
}

/// How to wait for a task.
#[derive(Clone, Debug)]
pub struct WaitOptions {
    /// When to stop waiting; the task itself continues.
    pub timeout: Duration,
    /// The shortest pause between two polls.
    pub poll_first: Duration,
    /// The longest pause.
    pub poll_max: Duration,
    /// Also reads the log, for progress.
    pub on_line: Option<LineSink>,
}

impl WaitOptions {
    /// The usual pauses, with this timeout.
    pub fn within(timeout: Duration) -> Self {
        Self {
            timeout,
            poll_first: Duration::from_millis(60),
            poll_max: Duration::from_secs(1),
            on_line: None,
        }
    }
}

/// Why waiting brought no outcome.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WaitError {
    /// The task was not seen to end in time. It may still run.
    #[error("task {upid} has not ended within {waited:?}")]
    Deadline {
        /// The task.
        upid: Upid,
        /// The timeout.
        waited: Duration,
        /// The error of the last poll, if it failed.
        #[source]
        last: Option<Error>,
    },
    /// The task cannot be watched, and waiting does not change that.
    #[error("task {upid} cannot be watched")]
    Lost {
        /// The task.
        upid: Upid,
        /// Why.
        #[source]
        cause: Error,
    },
}

#[derive(Deserialize)]
struct RawStatus {
    status: String,
    #[serde(default)]
    exitstatus: Option<String>,
}

impl Client {
    /// Whether a task still runs, and how it ended.
    ///
    /// # Errors
    /// [`crate::Refusal::Missing`] when there is no such task; see [`Error`].
    pub async fn task_status(&self, upid: &Upid) -> Result<TaskStatus, Error> {
        let raw: RawStatus = self.get(task_path(upid).seg("status"), Vec::new()).await?;
        Ok(match raw.status.as_str() {
            "stopped" => TaskStatus::Stopped(TaskOutcome::parse(
                raw.exitstatus.as_deref().unwrap_or("unexpected status"),
            )),
            _ => TaskStatus::Running,
        })
    }

    /// The tasks of one type that worked on a container, running and ended ones, the youngest first
    /// (`GET /nodes/{node}/tasks`). A token sees its own without any privilege.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn tasks(&self, node: &NodeName, vmid: Vmid, kind: &str) -> Result<Vec<Upid>, Error> {
        #[derive(Deserialize)]
        struct Entry {
            upid: Upid,
        }
        let path = ApiPath::new("/nodes").seg(node).seg("tasks");
        let params = vec![
            ("source".to_owned(), "all".to_owned()),
            ("typefilter".to_owned(), kind.to_owned()),
            ("vmid".to_owned(), vmid.to_string()),
        ];
        let entries: Vec<Entry> = self.get(path, params).await?;
        let mut upids: Vec<Upid> = entries.into_iter().map(|entry| entry.upid).collect();
        upids.sort_by_key(|upid| std::cmp::Reverse(upid.starttime));
        Ok(upids)
    }

    /// Part of a task's log: at most `limit` lines after the first `start`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn task_log(&self, upid: &Upid, start: u64, limit: u64) -> Result<TaskLog, Error> {
        let path = task_path(upid).seg("log");
        let call = ApiCall::new(Method::GET, path.as_str());
        let params = vec![
            ("start".to_owned(), start.to_string()),
            ("limit".to_owned(), limit.to_string()),
        ];
        let envelope = self.envelope(Method::GET, path, params).await?;
        let mut lines: Vec<LogLine> =
            serde_json::from_value(envelope.data).map_err(|e| Error::Decode {
                call,
                cause: e.to_string(),
            })?;
        // Proxmox's placeholder for a log without lines.
        lines.retain(|line| line.t != "no content" || line.n != 1);
        Ok(TaskLog {
            lines,
            total: envelope.total,
        })
    }

    /// Stops a task's worker process: a request to end, and five seconds later a kill.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn abort_task(&self, upid: &Upid) -> Result<(), Error> {
        self.call::<serde::de::IgnoredAny>(Method::DELETE, task_path(upid), Vec::new())
            .await?;
        Ok(())
    }

    /// Waits until a task has ended. Polls when a task of its kind usually ends (see
    /// [`PollSchedule`]); a poll that fails for a transient reason is repeated.
    ///
    /// # Errors
    /// [`WaitError`].
    pub async fn wait(&self, upid: &Upid, options: WaitOptions) -> Result<TaskOutcome, WaitError> {
        let deadline = Instant::now() + options.timeout;
        let schedule = self.poll_schedule(&upid.kind);
        let mut polling = schedule.start(options.poll_first, options.poll_max);
        let mut lines_seen = 0;
        let mut last = None;
        loop {
            let look = timeout_at(deadline, self.task_status(upid)).await;
            match look {
                Ok(Ok(status)) => {
                    last = None;
                    if let Some(sink) = &options.on_line {
                        lines_seen = self.pass_on_lines(upid, lines_seen, deadline, sink).await;
                    }
                    if let TaskStatus::Stopped(outcome) = status {
                        if outcome.is_success() {
                            polling.done();
                        }
                        return Ok(outcome);
                    }
                }
                Ok(Err(cause)) if cause.is_transient() => last = Some(cause),
                Ok(Err(cause)) => {
                    return Err(WaitError::Lost {
                        upid: upid.clone(),
                        cause,
                    });
                }
                Err(_) => {
                    return Err(WaitError::Deadline {
                        upid: upid.clone(),
                        waited: options.timeout,
                        last,
                    });
                }
            }
            let now = Instant::now();
            if now >= deadline {
                return Err(WaitError::Deadline {
                    upid: upid.clone(),
                    waited: options.timeout,
                    last,
                });
            }
            sleep(polling.next_pause().min(deadline - now)).await;
        }
    }

    fn poll_schedule(&self, kind: &str) -> Arc<PollSchedule> {
        let mut poll_schedules = self
            .inner
            .poll_schedules
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Arc::clone(poll_schedules.entry(kind.to_owned()).or_default())
    }

    /// Passes on new log lines. If the log cannot be read, the wait continues without it.
    async fn pass_on_lines(
        &self,
        upid: &Upid,
        seen: u64,
        deadline: Instant,
        sink: &LineSink,
    ) -> u64 {
        let Ok(Ok(log)) = timeout_at(deadline, self.task_log(upid, seen, 500)).await else {
            return seen;
        };
        let fresh = log.lines.iter().filter(|line| line.n > seen);
        fresh.fold(seen, |_, line| {
            (sink.0)(line);
            line.n
        })
    }
}

fn task_path(upid: &Upid) -> ApiPath {
    ApiPath::new("/nodes")
        .seg(&upid.node)
        .seg("tasks")
        .seg(upid.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_a_success_and_every_other_text_is_a_failure() {
        assert_eq!(TaskOutcome::parse("OK"), TaskOutcome::Ok);
        assert_eq!(TaskOutcome::parse("WARNINGS: 2"), TaskOutcome::Warnings(2));
        assert!(TaskOutcome::parse("WARNINGS: 2").is_success());
        for text in [
            "unexpected status",
            "received interrupt",
            "",
            "ok",
            "WARNINGS: many",
            "unable to create CT 1",
        ] {
            assert!(!TaskOutcome::parse(text).is_success(), "{text}");
        }
    }
}
