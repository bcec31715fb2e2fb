//! The session that holds the advisory locks of a process. `advisory_locks` opens it again when it
//! is lost.

use std::time::Duration;

use tokio::{sync::mpsc, task::JoinSet, time::timeout};
use tokio_postgres::{Client, Statement};

use super::{
    ServerError, held_locks::LostLocks, presence, replica_count::ReplicaCounter, server::Server,
};

/// Locks that are released by one statement.
const UNLOCK_BATCH: usize = 256;
/// Timeout of one statement.
pub(super) const LOCK_STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);

/// Takes the notifications of each session in their order.
pub(super) trait Listener: Fn(&str) + Clone + Send + 'static {}
impl<F: Fn(&str) + Clone + Send + 'static> Listener for F {}

/// Settings of the session for locks. By TCP keepalive the server notices within a minute, instead
/// of two hours, that the client's machine has vanished, and releases its locks. The session writes
/// nothing durable, so its notifications wait for no disk and no standby.
const GREETING: &str = "LISTEN infra402;
    SET synchronous_commit = off;
    SET tcp_keepalives_idle = 30;
    SET tcp_keepalives_interval = 10;
    SET tcp_keepalives_count = 3";

pub(super) struct LockSession {
    pub(super) client: Client,
    pub(super) lock: Statement,
    pub(super) unlock: Statement,
    pub(super) notify: Statement,
    pub(super) count: Statement,
}

/// Opens a session, and prepares its statements.
pub(super) async fn connect(
    server: &Server,
    listener: impl Listener,
    driver: &mut JoinSet<()>,
) -> Result<LockSession, ServerError> {
    let of = |error: tokio_postgres::Error| ServerError::of(&error);
    let (client, connection) = server.connect(listener).await?;
    driver.spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(error = %ServerError::of(&error), "a connection to PostgreSQL ended");
        }
    });
    presence::join(&client).await?;
    let of_each = |function| format!("SELECT {function}(key) FROM unnest($1::bigint[]) AS key");
    let lock = client.prepare(&of_each("pg_try_advisory_lock")).await;
    let lock = lock.map_err(of)?;
    let unlock = of_each("pg_advisory_unlock");
    let unlock = client.prepare(&unlock);
    let unlock = unlock.await.map_err(of)?;
    let notify = client.prepare("SELECT pg_notify('infra402', $1)");
    let notify = notify.await.map_err(of)?;
    let count = ReplicaCounter::prepare(&client).await.map_err(of)?;
    client.batch_execute(GREETING).await.map_err(of)?;
    Ok(LockSession {
        client,
        lock,
        unlock,
        notify,
        count,
    })
}

/// Releases the locks whose guards were dropped, except those that this session does not hold, and
/// counts the replicas. Returns true when all senders are dropped, false when the session is lost.
pub(super) async fn serve(
    session: &LockSession,
    driver: &mut JoinSet<()>,
    freed: &mut mpsc::UnboundedReceiver<i64>,
    mut missed: LostLocks,
    counter: &mut ReplicaCounter,
) -> bool {
    let mut keys = Vec::new();
    let begun = async {
        let here = session
            .client
            .query_one(&session.notify, &[&counter.here()])
            .await;
        here.is_ok() && counter.count(&session.client, &session.count).await
    };
    if timeout(LOCK_STATEMENT_TIMEOUT, begun).await != Ok(true) {
        return false;
    }
    loop {
        let answered = tokio::select! {
            _ = driver.join_next() => return false,
            _ = freed.recv_many(&mut keys, UNLOCK_BATCH) => {
                if keys.is_empty() {
                    return true;
                }
                keys.retain(|key| !missed.remove(*key));
                let unlock = async { session.client.query(&session.unlock, &[&keys]).await.is_ok() };
                let unlocked = timeout(LOCK_STATEMENT_TIMEOUT, unlock).await;
                keys.clear();
                unlocked
            }
            // This query also detects a lost session.
            () = counter.due() => {
                timeout(LOCK_STATEMENT_TIMEOUT, counter.count(&session.client, &session.count)).await
            }
        };
        if answered != Ok(true) {
            return false;
        }
    }
}
