//! Faults that a test injects: the operation, the kind, and how often. The server asks
//! [`Faults`] once per request for the fault that applies; the fault then changes that request or
//! the task that it starts.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// Which requests a fault applies to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// `POST /nodes/N/lxc`.
    Create,
    /// `POST …/status/start`.
    Start,
    /// `POST …/status/stop`.
    Stop,
    /// `POST …/status/shutdown`.
    Shutdown,
    /// `POST …/status/reboot`.
    Reboot,
    /// `DELETE /nodes/N/lxc/V`.
    Destroy,
    /// `GET …/status/current`.
    Status,
    /// `GET …/config`.
    Config,
    /// `PUT …/config`.
    UpdateConfig,
    /// `GET …/interfaces`.
    Interfaces,
    /// `GET /nodes/N/lxc`.
    List,
    /// `GET /cluster/resources`.
    Resources,
    /// `GET /cluster/nextid`.
    NextId,
    /// `GET /nodes/N/status`.
    NodeStatus,
    /// `GET /nodes/N/tasks/U/status`.
    TaskStatus,
    /// `GET /nodes/N/tasks/U/log`.
    TaskLog,
    /// `POST …/termproxy`.
    Termproxy,
    /// `GET …/vncwebsocket`.
    Websocket,
    /// Every request.
    Any,
    /// Every request whose path (below `/api2/json`) contains the text.
    Path(String),
}

/// The kind of a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// 595 with an empty body: the node that should execute the request cannot be reached. Nothing
    /// is executed.
    Unreachable595,
    /// 596 with an empty body before anything is executed.
    Handshake596Before,
    /// The request is executed in full and then answered with 596 and an empty body.
    Answer596After,
    /// The TCP connection is reset before anything is executed.
    DropBefore,
    /// The request is executed in full, then the TCP connection is reset without an answer.
    DropAfter,
    /// 500: the container's configuration lock could not be taken in time. Nothing is executed.
    LockTimeout,
    /// (`Create`) A foreign container takes the VMID just before the request is executed.
    VmidTaken,
    /// The task that the request starts ends with this error; a failed create cleans up after
    /// itself.
    TaskFailure(String),
    /// The task that the request starts ends with `unexpected status`; a create leaves its lock
    /// behind.
    TaskUnexpectedStatus,
    /// The task that the request starts takes this much longer (real time, not scaled).
    SlowTask(Duration),
    /// (`Create`) The task ends because the storage has no room.
    StorageFull,
    /// Requests for this node are answered 595, and lists show it as offline.
    NodeOffline(String),
    /// (`Create`) The task ends because the template does not exist.
    MissingTemplate,
    /// 500 on everything that writes: the cluster has no quorum.
    NoQuorum,
    /// 401: the API token has expired.
    ExpiredToken,
    /// 502 with an HTML page, as a reverse proxy in between would answer.
    Html502,
    /// 200 with no body. The request is executed.
    EmptyBody,
    /// The answer is announced in full and cut in the middle. The request is executed.
    TruncatedBody,
    /// 200 with a JSON body of 64 MiB. The request is executed.
    HugeBody,
    /// The answer comes this much later (real time, not scaled); the request is executed at once.
    Late(Duration),
    /// The task that the request starts succeeds with `WARNINGS: 1`.
    Warnings,
    /// (`Websocket`) The connection is cut after this many bytes from the terminal.
    CutAfter(usize),
    /// (`Websocket`) The connection is cut after this many bytes were typed; what is beyond is
    /// lost.
    CutAfterTyped(usize),
    /// (`Websocket`) The connection is cut this long after it was opened (real time, not scaled).
    CutAfterTime(Duration),
    /// (`Websocket`) The container's session is occupied by a program that ignores what is typed,
    /// until it gets `^C`.
    BusySession,
    /// (`Websocket`) The terminal shows a login prompt, as with another `cmode` than `shell`.
    LoginPrompt,
}

/// One fault and how often it happens.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The requests that it hits.
    pub on: Operation,
    /// What happens to them.
    pub kind: FaultKind,
    /// How many matching requests pass without the fault first.
    pub skip: u32,
    /// How many times it happens.
    pub times: u32,
    /// Chance from 0 to 1 that a matching request is hit.
    pub probability: f64,
}

impl Fault {
    /// A fault that hits the next matching request, once.
    #[must_use]
    pub fn once(on: Operation, kind: FaultKind) -> Self {
        Self::times(on, kind, 1)
    }

    /// A fault that hits the next `times` matching requests.
    #[must_use]
    pub fn times(on: Operation, kind: FaultKind, times: u32) -> Self {
        Self {
            on,
            kind,
            skip: 0,
            times,
            probability: 1.0,
        }
    }

    /// A fault that hits every matching request until [`Faults::clear`].
    #[must_use]
    pub fn always(on: Operation, kind: FaultKind) -> Self {
        Self::times(on, kind, u32::MAX)
    }

    /// A fault that hits each matching request with this probability, until [`Faults::clear`].
    #[must_use]
    pub fn chance(on: Operation, kind: FaultKind, probability: f64) -> Self {
        Self {
            probability,
            ..Self::always(on, kind)
        }
    }

    /// Lets the first `skip` matching requests pass.
    #[must_use]
    pub fn after(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }
}

/// The faults in force, shared between a test and the server.
#[derive(Debug, Clone)]
pub struct Faults {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    faults: Vec<Fault>,
    hits: u64,
    dice: u64,
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            inner: Arc::new(Mutex::new(Inner {
                faults: Vec::new(),
                hits: 0,
                dice: seed | 1,
            })),
        }
    }

    /// Adds a fault. Faults are tried in the order in which they were added, and a request meets
    /// one at most.
    pub fn inject(&self, fault: Fault) {
        self.lock().faults.push(fault);
    }

    /// Removes all faults.
    pub fn clear(&self) {
        self.lock().faults.clear();
    }

    /// How many requests a fault has hit so far.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.lock().hits
    }

    /// The fault for a request, counted as happened. `fits` says whether a kind makes sense for the
    /// request at all.
    pub(crate) fn take(
        &self,
        operation: Option<&Operation>,
        path: &str,
        fits: impl Fn(&FaultKind) -> bool,
    ) -> Option<FaultKind> {
        let mut inner = self.lock();
        for index in 0..inner.faults.len() {
            let fault = &inner.faults[index];
            let matches = match &fault.on {
                Operation::Any => true,
                Operation::Path(part) => path.contains(part.as_str()),
                on => Some(on) == operation,
            };
            if !matches || fault.times == 0 || !fits(&fault.kind) {
                continue;
            }
            if fault.skip > 0 {
                inner.faults[index].skip -= 1;
                continue;
            }
            let probability = fault.probability;
            if probability < 1.0 && inner.roll() >= probability {
                continue;
            }
            let fault = &mut inner.faults[index];
            if fault.times != u32::MAX {
                fault.times -= 1;
            }
            let kind = fault.kind.clone();
            inner.hits += 1;
            return Some(kind);
        }
        None
    }

    /// Whether a fault of that kind is in force, without counting it.
    pub(crate) fn any(&self, wanted: impl Fn(&FaultKind) -> bool) -> bool {
        self.lock()
            .faults
            .iter()
            .any(|fault| fault.times > 0 && wanted(&fault.kind))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner
            .lock()
            .expect("no code panics while it holds the fault list")
    }
}

impl Inner {
    /// xorshift64*: a repeatable sequence matters more here than its quality.
    fn roll(&mut self) -> f64 {
        self.dice ^= self.dice >> 12;
        self.dice ^= self.dice << 25;
        self.dice ^= self.dice >> 27;
        let bits = self.dice.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11;
        bits as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(faults: &Faults) -> bool {
        faults
            .take(Some(&Operation::Create), "/nodes/pve/lxc", |_| true)
            .is_some()
    }

    #[test]
    fn a_fault_hits_as_often_as_it_was_asked_to_and_after_what_it_skips() {
        let faults = Faults::new(1);
        faults.inject(Fault::times(Operation::Create, FaultKind::LockTimeout, 2).after(1));
        let seen: Vec<bool> = (0..4).map(|_| hit(&faults)).collect();
        assert_eq!(seen, [false, true, true, false]);
        assert_eq!(faults.hits(), 2);
    }

    #[test]
    fn a_chance_hits_about_as_often_as_it_says() {
        let faults = Faults::new(7);
        faults.inject(Fault::chance(Operation::Any, FaultKind::DropBefore, 0.25));
        let hits = (0..4000).filter(|_| hit(&faults)).count();
        assert!((800..1200).contains(&hits), "{hits}");
    }

    #[test]
    fn a_path_fault_leaves_other_paths_alone() {
        let faults = Faults::new(1);
        faults.inject(Fault::always(
            Operation::Path("/qemu".into()),
            FaultKind::Html502,
        ));
        assert!(!hit(&faults));
    }
}
