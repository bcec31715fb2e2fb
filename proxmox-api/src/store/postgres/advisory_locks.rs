//! Locks that all replicas share. All advisory locks of a process belong to one session of the
//! server, so that they end with the process. While the session is lost, work goes on, guarded by
//! compare-and-set on the rows. The next session first takes the held locks again, before it grants
//! new ones.

use std::{sync::Arc, time::Duration};

use service::crypto;
use tokio::{
    sync::{broadcast, mpsc, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_postgres::{Row, types::ToSql};

use super::{
    ServerError,
    held_locks::{self, HeldLocks, LostLocks, lock},
    lock_session::{LOCK_STATEMENT_TIMEOUT, Listener, LockSession, connect, serve},
    replica_count::{ReplicaCounter, ReplicaSignal, Replicas, SESSION_BEGAN_PAYLOAD},
    server::Server,
};
use crate::store::{StoreError, change_lock::lock_key};

/// How long a request for a lock waits for a session.
const SESSION_TIMEOUT: Duration = Duration::from_secs(5);
/// Backoff between attempts to take a lock: the first pause and the longest one.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// Notifications that are queued for a slow listener.
const NOTIFICATIONS: usize = 64;
/// The pause between two attempts to connect.
const RECONNECT_PAUSE: Duration = Duration::from_millis(500);
/// How long new locks wait after a lost session, so that other replicas, which may have lost theirs
/// too, take their held locks again.
const RETAKE_GRACE: Duration = Duration::from_secs(1);

/// The advisory locks of this process; clones share one session.
#[derive(Clone)]
pub struct AdvisoryLocks(Arc<Shared>);

struct Shared {
    /// Tells this replica's notifications from those of others.
    replica: String,
    received: broadcast::Sender<String>,
    session: watch::Receiver<Option<Arc<LockSession>>>,
    replicas: watch::Receiver<Replicas>,
    held: HeldLocks,
    freed: mpsc::UnboundedSender<i64>,
}

/// Holds an advisory lock until it is dropped.
pub struct AdvisoryLockGuard {
    key: i64,
    shared: Arc<Shared>,
}

impl Drop for AdvisoryLockGuard {
    fn drop(&mut self) {
        let mut held = lock(&self.shared.held);
        if let Some(count) = held.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.key);
            }
        }
        // Sent while `held` is locked, so that a new session does not both retake and release it.
        let _ = self.shared.freed.send(self.key);
    }
}

impl AdvisoryLocks {
    /// Starts a session of its own, which is replaced when it is lost, until the last clone is
    /// dropped.
    pub(in crate::store) fn start(server: Server) -> Self {
        let (freed, inbox) = mpsc::unbounded_channel();
        let (publish, session) = watch::channel(None);
        let held = HeldLocks::default();
        let (received, replica) = (broadcast::Sender::new(NOTIFICATIONS), crypto::random_hex(8));
        let (counter, replicas) = ReplicaCounter::new(&replica);
        let listener = listener(replica.clone(), received.clone(), counter.came());
        tokio::spawn(keep_session(
            server,
            listener,
            Arc::clone(&held),
            publish,
            inbox,
            counter,
        ));
        Self(Arc::new(Shared {
            replica,
            received,
            session,
            replicas,
            held,
            freed,
        }))
    }

    /// The replicas that are running, as far as this one knows.
    pub fn replicas(&self) -> watch::Receiver<Replicas> {
        self.0.replicas.clone()
    }

    /// Whether notifications can be sent now.
    pub fn can_notify(&self) -> bool {
        self.0.session.borrow().is_some()
    }

    /// Sends a notification to all other replicas. It may be lost.
    pub async fn notify(&self, message: &str) {
        let sent = async {
            let session = session(&self.0).await?;
            let payload: &(dyn ToSql + Sync) = &format!("{} {message}", self.0.replica);
            let parameters = [payload];
            let notified = session.client.query_one(&session.notify, &parameters);
            match timeout(SESSION_TIMEOUT, notified).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(ServerError::of(&error).into()),
                Err(_) => return Err(StoreError::Stopped),
            }
            Ok::<_, StoreError>(())
        };
        if let Err(error) = sent.await {
            tracing::warn!(%error, "other replicas could not be notified");
        }
    }

    /// The notifications of other replicas from now on.
    pub fn notifications(&self) -> broadcast::Receiver<String> {
        self.0.received.subscribe()
    }

    /// Waits for the locks of several names; all are granted together.
    ///
    /// # Errors
    /// There is no session, and none came about in a few seconds.
    pub async fn take(
        &self,
        set: &str,
        names: &[&str],
    ) -> Result<Vec<AdvisoryLockGuard>, StoreError> {
        let mut pause = FIRST_PAUSE;
        loop {
            if let Some(guards) = self.try_take(set, names).await? {
                return Ok(guards);
            }
            // Random, so that waiting tasks do not all ask at once.
            sleep(pause.mul_f64(0.5 + f64::from(crypto::random_bytes::<1>()[0]) / 255.0)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// The lock guards of several names; `None` if any of the locks is held.
    ///
    /// # Errors
    /// As [`AdvisoryLocks::take`].
    pub async fn try_take(
        &self,
        set: &str,
        names: &[&str],
    ) -> Result<Option<Vec<AdvisoryLockGuard>>, StoreError> {
        let keys = names.iter().map(|name| lock_key(set, name)).collect();
        let shared = Arc::clone(&self.0);
        // In a task of its own: if the caller is cancelled, the lock must still be released.
        let asked = tokio::spawn(async move { acquire(&shared, keys).await });
        asked.await.map_err(|_| StoreError::Stopped)?
    }
}

/// Passes on the notifications of other replicas.
fn listener(
    replica: String,
    received: broadcast::Sender<String>,
    came: ReplicaSignal,
) -> impl Listener {
    move |payload: &str| match payload.split_once(' ') {
        Some((from, _)) if from == replica => {}
        Some((_, SESSION_BEGAN_PAYLOAD)) => came.count_again(),
        Some((_, message)) => {
            // An error means that there is no subscriber.
            let _ = received.send(message.to_owned());
        }
        None => {}
    }
}

/// Which locks the server granted, in the order in which they were asked for.
fn granted(rows: &[Row]) -> Result<Vec<bool>, StoreError> {
    let each = rows.iter().map(|row| row.try_get(0));
    each.collect::<Result<_, _>>()
        .map_err(|_| StoreError::Unreadable("whether a lock was granted"))
}

async fn acquire(
    shared: &Arc<Shared>,
    keys: Vec<i64>,
) -> Result<Option<Vec<AdvisoryLockGuard>>, StoreError> {
    let mut again = true;
    loop {
        let current = session(shared).await?;
        match timeout(
            LOCK_STATEMENT_TIMEOUT,
            current.client.query(&current.lock, &[&keys]),
        )
        .await
        {
            Ok(Ok(rows)) => {
                let granted = granted(&rows)?;
                let mut held = lock(&shared.held);
                if !is_current(shared, &current) {
                    // The locks ended with their session; the next one retakes only locks that are
                    // held.
                    drop(held);
                    if std::mem::take(&mut again) {
                        continue;
                    }
                    return Err(ServerError::Lost("with the session for locks".into()).into());
                }
                let mut guard = |(key, _): (&i64, _)| {
                    *held.entry(*key).or_default() += 1;
                    let shared = Arc::clone(shared);
                    AdvisoryLockGuard { key: *key, shared }
                };
                let granted = keys.iter().zip(granted).filter(|(_, is)| *is);
                let guards: Vec<_> = granted.map(&mut guard).collect();
                drop(held);
                // All or none: if only some were granted, they are released at once.
                return Ok((guards.len() == keys.len()).then_some(guards));
            }
            Ok(Err(error)) if again => {
                tracing::debug!(error = %ServerError::of(&error), "a request for an advisory lock is retried");
                again = false;
                sleep(FIRST_PAUSE).await;
            }
            Ok(Err(error)) => return Err(ServerError::of(&error).into()),
            Err(_) => {
                return Err(ServerError::Lost("the server did not answer in time".into()).into());
            }
        }
    }
}

fn is_current(shared: &Shared, session: &Arc<LockSession>) -> bool {
    let current = shared.session.borrow();
    current
        .as_ref()
        .is_some_and(|current| Arc::ptr_eq(current, session))
}

/// Waits for a session.
async fn session(shared: &Shared) -> Result<Arc<LockSession>, StoreError> {
    let mut session = shared.session.clone();
    let found = match timeout(SESSION_TIMEOUT, session.wait_for(Option::is_some)).await {
        Ok(Ok(session)) => session.clone(),
        Ok(Err(_)) => return Err(StoreError::Stopped),
        Err(_) => None,
    };
    found.ok_or_else(|| ServerError::Lost("no session for locks".into()).into())
}

/// Connects, and connects again when the session is lost, until the last [`AdvisoryLocks`] and the
/// last guard are dropped.
async fn keep_session(
    server: Server,
    listener: impl Listener,
    held: HeldLocks,
    publish: watch::Sender<Option<Arc<LockSession>>>,
    mut freed: mpsc::UnboundedReceiver<i64>,
    mut counter: ReplicaCounter,
) {
    let (mut lost, mut away) = (false, false);
    loop {
        // Dropping this ends the connection's task.
        let mut driver = JoinSet::new();
        match connect(&server, listener.clone(), &mut driver).await {
            Ok(session) => {
                away = false;
                let mut missed = LostLocks::default();
                if lost {
                    missed =
                        held_locks::retake(&session.client, &session.lock, &held, &mut freed).await;
                    sleep(RETAKE_GRACE).await;
                    tracing::info!("the session for advisory locks was restored");
                }
                let session = Arc::new(session);
                publish.send_replace(Some(Arc::clone(&session)));
                let over = serve(&session, &mut driver, &mut freed, missed, &mut counter).await;
                publish.send_replace(None);
                if over {
                    return;
                }
                lost = true;
                tracing::warn!("the session for advisory locks was lost; work goes on");
            }
            Err(error) => {
                // Logged once: an attempt is made twice a second.
                if !std::mem::replace(&mut away, true) {
                    tracing::warn!(%error, "a session for advisory locks cannot be opened");
                }
                if freed.is_closed() {
                    return;
                }
                sleep(RECONNECT_PAUSE).await;
            }
        }
    }
}
