//! Turns that all replicas of a service share: each is an advisory lock of one session, so that it ends with the process that
//! has it. While the session is lost, work in hand goes on, guarded by the rows themselves; what is held is taken again first
//! thing by the next session, before new turns are given.

use std::{sync::Arc, time::Duration};

use service::crypto;
use tokio::{
    sync::{broadcast, mpsc, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_postgres::{Client, Row, Statement};

use super::{
    ServerError,
    held::{self, Held, Missed, lock},
    presence,
    replicas::{Came, Census, HERE, Replicas},
    server::Server,
};
use crate::store::{StoreError, apart::lock_key};

/// How long a turn waits for a session.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often somebody who waits for a turn asks, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// Locks that are released by one statement.
const UNLOCKED_AT_ONCE: usize = 256;
/// Words of others that wait for a slow listener.
const WORDS: usize = 64;
/// Between two tries to connect.
const RECONNECT: Duration = Duration::from_millis(500);
/// After a loss, the time in which other replicas that lost theirs too take again what they hold.
const GRACE: Duration = Duration::from_secs(1);
/// Timeout of an answer.
const ANSWER: Duration = Duration::from_secs(10);

/// Settings of the session for locks. By TCP keepalive the server notices within a minute, instead of
/// two hours, that the client's machine has vanished, and releases its locks. The session writes
/// nothing durable, so its notifications wait for no disk and no standby.
const GREETING: &str = "LISTEN infra402;
    SET synchronous_commit = off;
    SET tcp_keepalives_idle = 30;
    SET tcp_keepalives_interval = 10;
    SET tcp_keepalives_count = 3";

/// The turns of this process among all; clones are the same.
#[derive(Clone)]
pub struct SharedTurns(Arc<Shared>);

struct Shared {
    /// Tells this replica's words from those of others.
    replica: String,
    told: broadcast::Sender<String>,
    link: watch::Receiver<Option<Arc<Link>>>,
    replicas: watch::Receiver<Replicas>,
    held: Held,
    freed: mpsc::UnboundedSender<i64>,
}

struct Link {
    client: Client,
    lock: Statement,
    unlock: Statement,
    tell: Statement,
    count: Statement,
}

/// A turn, until it is dropped.
pub struct SharedTurn {
    key: i64,
    shared: Arc<Shared>,
}

impl Drop for SharedTurn {
    fn drop(&mut self) {
        let mut held = lock(&self.shared.held);
        if let Some(count) = held.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.key);
            }
        }
        // Within the lock, so that what a new session takes again and what it is told to free fit together.
        let _ = self.shared.freed.send(self.key);
    }
}

impl SharedTurns {
    /// Starts a session of its own, which is made anew for as long as anybody has one of these.
    pub(in crate::store) fn start(server: Server) -> Self {
        let (freed, inbox) = mpsc::unbounded_channel();
        let (publish, link) = watch::channel(None);
        let held = Held::default();
        let (told, replica) = (broadcast::Sender::new(WORDS), crypto::random_hex(8));
        let (census, replicas) = Census::new(&replica);
        let hear = hearing(replica.clone(), told.clone(), census.came());
        tokio::spawn(keep(
            server,
            hear,
            Arc::clone(&held),
            publish,
            inbox,
            census,
        ));
        Self(Arc::new(Shared {
            replica,
            told,
            link,
            replicas,
            held,
            freed,
        }))
    }

    /// The replicas that are at work, as far as this one knows.
    pub fn replicas(&self) -> watch::Receiver<Replicas> {
        self.0.replicas.clone()
    }

    /// Whether notifications can be sent now.
    pub fn can_tell(&self) -> bool {
        self.0.link.borrow().is_some()
    }

    /// Tells all other replicas something. It may be lost, as those may be who should hear it.
    pub async fn tell(&self, words: &str) {
        let told = async {
            let link = there(&self.0).await?;
            let payload = format!("{} {words}", self.0.replica);
            match timeout(PATIENCE, link.client.query_one(&link.tell, &[&payload])).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(ServerError::of(&error).into()),
                Err(_) => return Err(StoreError::Stopped),
            }
            Ok::<_, StoreError>(())
        };
        if let Err(error) = told.await {
            tracing::warn!(%error, "other replicas cannot be told something");
        }
    }

    /// What other replicas tell from now on.
    pub fn words(&self) -> broadcast::Receiver<String> {
        self.0.told.subscribe()
    }

    /// Waits for the locks of several names; all are granted together.
    ///
    /// # Errors
    /// There is no session, and none came about in a few seconds.
    pub async fn take(&self, set: &str, names: &[&str]) -> Result<Vec<SharedTurn>, StoreError> {
        let mut pause = FIRST_PAUSE;
        loop {
            if let Some(turns) = self.try_take(set, names).await? {
                return Ok(turns);
            }
            // Those who wait must not all ask at once.
            sleep(pause.mul_f64(0.5 + f64::from(crypto::random_bytes::<1>()[0]) / 255.0)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// The lock guards of several names; `None` if any of the locks is held.
    ///
    /// # Errors
    /// As [`SharedTurns::take`].
    pub async fn try_take(
        &self,
        set: &str,
        names: &[&str],
    ) -> Result<Option<Vec<SharedTurn>>, StoreError> {
        let keys = names.iter().map(|name| lock_key(set, name)).collect();
        let shared = Arc::clone(&self.0);
        // In a task of its own: a caller who has gone meanwhile must not leave a lock that nobody frees.
        let asked = tokio::spawn(async move { acquire(&shared, keys).await });
        asked.await.map_err(|_| StoreError::Stopped)?
    }
}

/// Hands on what others said.
fn hearing(replica: String, told: broadcast::Sender<String>, came: Came) -> impl Hear {
    move |payload: &str| match payload.split_once(' ') {
        Some((from, _)) if from == replica => {}
        Some((_, HERE)) => came.count_again(),
        Some((_, words)) => {
            // Nobody may be listening.
            let _ = told.send(words.to_owned());
        }
        None => {}
    }
}

/// A listener for one session after the other.
trait Hear: Fn(&str) + Clone + Send + 'static {}
impl<F: Fn(&str) + Clone + Send + 'static> Hear for F {}

/// Which locks the server granted, in the order in which they were asked for.
fn got(answer: &[Row]) -> Result<Vec<bool>, StoreError> {
    let each = answer.iter().map(|row| row.try_get(0));
    each.collect::<Result<_, _>>()
        .map_err(|_| StoreError::Unreadable("whether a lock was given"))
}

async fn acquire(
    shared: &Arc<Shared>,
    keys: Vec<i64>,
) -> Result<Option<Vec<SharedTurn>>, StoreError> {
    let mut again = true;
    loop {
        let current = there(shared).await?;
        match timeout(ANSWER, current.client.query(&current.lock, &[&keys])).await {
            Ok(Ok(rows)) => {
                let given = got(&rows)?;
                let mut held = lock(&shared.held);
                if !is_current(shared, &current) {
                    // The locks went with their session, and the next one takes again only what is held.
                    drop(held);
                    if std::mem::take(&mut again) {
                        continue;
                    }
                    return Err(ServerError::Lost("with the session for locks".into()).into());
                }
                let mut turn = |(key, _): (&i64, _)| {
                    *held.entry(*key).or_default() += 1;
                    let shared = Arc::clone(shared);
                    SharedTurn { key: *key, shared }
                };
                let given: Vec<_> = keys.iter().zip(given).filter(|(_, is)| *is).collect();
                let turns: Vec<_> = given.into_iter().map(&mut turn).collect();
                drop(held);
                // All or none: if only some were granted, they are released at once.
                return Ok((turns.len() == keys.len()).then_some(turns));
            }
            Ok(Err(error)) if again => {
                tracing::debug!(error = %ServerError::of(&error), "a turn is asked for once more");
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

fn is_current(shared: &Shared, link: &Arc<Link>) -> bool {
    let current = shared.link.borrow();
    current
        .as_ref()
        .is_some_and(|current| Arc::ptr_eq(current, link))
}

/// The session, once there is one.
async fn there(shared: &Shared) -> Result<Arc<Link>, StoreError> {
    let mut link = shared.link.clone();
    let found = match timeout(PATIENCE, link.wait_for(Option::is_some)).await {
        Ok(Ok(link)) => link.clone(),
        Ok(Err(_)) => return Err(StoreError::Stopped),
        Err(_) => None,
    };
    found.ok_or_else(|| ServerError::Lost("no session for locks".into()).into())
}

/// Keeps a session until nobody has turns any more.
async fn keep(
    server: Server,
    hear: impl Hear,
    held: Held,
    publish: watch::Sender<Option<Arc<Link>>>,
    mut freed: mpsc::UnboundedReceiver<i64>,
    mut census: Census,
) {
    let (mut lost, mut away) = (false, false);
    loop {
        // The driver of the connection goes with this.
        let mut driver = JoinSet::new();
        match connect(&server, hear.clone(), &mut driver).await {
            Ok(link) => {
                away = false;
                let mut missed = Missed::default();
                if lost {
                    missed = held::retake(&link.client, &link.lock, &held, &mut freed).await;
                    sleep(GRACE).await;
                    tracing::info!("the session for locks is there again");
                }
                let link = Arc::new(link);
                publish.send_replace(Some(Arc::clone(&link)));
                let over = serve(&link, &mut driver, &mut freed, missed, &mut census).await;
                publish.send_replace(None);
                if over {
                    return;
                }
                lost = true;
                tracing::warn!("the session for locks is lost; work in hand goes on");
            }
            Err(error) => {
                // Once: it is tried twice a second.
                if !std::mem::replace(&mut away, true) {
                    tracing::warn!(%error, "no session for locks");
                }
                if freed.is_closed() {
                    return;
                }
                sleep(RECONNECT).await;
            }
        }
    }
}

async fn connect(
    server: &Server,
    hear: impl Hear,
    driver: &mut JoinSet<()>,
) -> Result<Link, ServerError> {
    let of = |error: tokio_postgres::Error| ServerError::of(&error);
    let (client, connection) = server.connect(hear).await?;
    driver.spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(error = %ServerError::of(&error), "a connection ended");
        }
    });
    presence::join(&client).await?;
    let of_each = |function| format!("SELECT {function}(key) FROM unnest($1::bigint[]) AS key");
    let lock = client.prepare(&of_each("pg_try_advisory_lock")).await;
    let lock = lock.map_err(of)?;
    let unlock = of_each("pg_advisory_unlock");
    let unlock = client.prepare(&unlock);
    let unlock = unlock.await.map_err(of)?;
    let tell = client.prepare("SELECT pg_notify('infra402', $1)");
    let tell = tell.await.map_err(of)?;
    let count = Census::prepare(&client).await.map_err(of)?;
    client.batch_execute(GREETING).await.map_err(of)?;
    Ok(Link {
        client,
        lock,
        unlock,
        tell,
        count,
    })
}

/// Releases returned locks, except those that this session never had, and counts the replicas. Returns
/// true when all senders are dropped, false when the session is lost.
async fn serve(
    link: &Link,
    driver: &mut JoinSet<()>,
    freed: &mut mpsc::UnboundedReceiver<i64>,
    mut missed: Missed,
    census: &mut Census,
) -> bool {
    let mut keys = Vec::new();
    let begun = async {
        let here = link.client.query_one(&link.tell, &[&census.here()]).await;
        here.is_ok() && census.count(&link.client, &link.count).await
    };
    if timeout(ANSWER, begun).await != Ok(true) {
        return false;
    }
    loop {
        let answered = tokio::select! {
            _ = driver.join_next() => return false,
            _ = freed.recv_many(&mut keys, UNLOCKED_AT_ONCE) => {
                if keys.is_empty() {
                    return true;
                }
                keys.retain(|key| !missed.takes(*key));
                let unlock = async { link.client.query(&link.unlock, &[&keys]).await.is_ok() };
                let unlocked = timeout(ANSWER, unlock).await;
                keys.clear();
                unlocked
            }
            // This query also detects a lost session.
            () = census.due() => {
                timeout(ANSWER, census.count(&link.client, &link.count)).await
            }
        };
        if answered != Ok(true) {
            return false;
        }
    }
}
