//! A connection for blocking threads that is made anew when it is lost. It drives itself, on the thread that uses it; in
//! between nobody listens, so a loss shows at the next use.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    time::{Duration, Instant},
};

use tokio::{runtime::Runtime, time::timeout};
use tokio_postgres::{Client, Row, Statement};

use super::{
    WRITING,
    failure::{ServerError, is_lost},
    server::Server,
};
use crate::store::{StoreError, db::Value};

/// How long the server may take for one statement, the wait for other replicas' changes included.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two tries to connect, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What every session is told first. A setting that waits for no disk would lose payments; a replica that hangs in the middle
/// of a change must not stop the others.
const GREETING: &str = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
    SET idle_in_transaction_session_timeout = '20s';
    SET lock_timeout = '18s'";
const READ_ONLY: &str = "; SET default_transaction_read_only = on";

/// The connection, there or to be made.
pub(in crate::store) struct Session {
    /// There until it is dropped.
    runtime: Option<Runtime>,
    server: Server,
    reads_only: bool,
    link: RefCell<Option<Link>>,
    /// The next try to connect, and the pause after it.
    wait: Cell<(Instant, Duration)>,
    within: Cell<Within>,
}

/// Whether statements belong to a group of changes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Nothing,
    Change,
    /// A statement failed: what follows is refused until it is rolled back.
    FailedChange,
}

struct Link {
    client: Client,
    statements: HashMap<String, Statement>,
}

impl Link {
    async fn statement(
        &mut self,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<Statement, tokio_postgres::Error> {
        if let Some(known) = self.statements.get(sql) {
            return Ok(known.clone());
        }
        let kinds: Vec<_> = values.iter().map(Value::kind).collect();
        // The store's SQL has a question mark nowhere else.
        let made = self
            .client
            .prepare_typed(&sql.replace('?', "$"), &kinds)
            .await?;
        self.statements.insert(sql.to_owned(), made.clone());
        Ok(made)
    }
}

impl Session {
    /// A session that connects when it is used first.
    pub(in crate::store) fn new(server: Server, reads_only: bool) -> Result<Self, StoreError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        Ok(Self {
            runtime: Some(runtime),
            server,
            reads_only,
            link: RefCell::new(None),
            wait: Cell::new((Instant::now(), FIRST_PAUSE)),
            within: Cell::new(Within::Nothing),
        })
    }

    pub(in crate::store) fn execute(
        &self,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<usize, StoreError> {
        let changed = self.run(async |link| {
            let statement = link.statement(sql, values).await?;
            let parameters: Vec<_> = values.iter().map(Value::parameter).collect();
            link.client.execute(&statement, &parameters).await
        })?;
        Ok(usize::try_from(changed).unwrap_or(usize::MAX))
    }

    pub(in crate::store) fn query(
        &self,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        self.run(async |link| {
            let statement = link.statement(sql, values).await?;
            let parameters: Vec<_> = values.iter().map(Value::parameter).collect();
            link.client.query(&statement, &parameters).await
        })
    }

    /// Statements without parameters, all or none of them where they are no transaction of their own.
    pub(in crate::store) fn batch(&self, sql: &str) -> Result<(), StoreError> {
        self.run(async |link| link.client.batch_execute(sql).await)
    }

    /// Begins a group of changes, which waits for those of other replicas. The first change may follow.
    pub(in crate::store) fn begin(&self) -> Result<(), StoreError> {
        self.batch(&format!(
            "BEGIN; SELECT pg_advisory_xact_lock({WRITING}); SAVEPOINT change"
        ))
        .inspect_err(|_| self.abandon())?;
        self.within.set(Within::Change);
        Ok(())
    }

    /// Keeps the change that was just made, and begins the next one.
    pub(in crate::store) fn next(&self) -> Result<(), StoreError> {
        self.batch("RELEASE SAVEPOINT change; SAVEPOINT change")
    }

    /// Takes back the change that was just made; the next one may follow.
    pub(in crate::store) fn roll_back(&self) -> Result<(), StoreError> {
        self.within.set(Within::Change);
        self.batch("ROLLBACK TO SAVEPOINT change")
    }

    /// Whether the group still stands and the change in hand can be kept.
    pub(in crate::store) fn is_sound(&self) -> bool {
        self.within.get() == Within::Change && self.link.borrow().is_some()
    }

    /// Ends the group; after an error that says so, nobody knows whether it was made.
    pub(in crate::store) fn commit(&self) -> Result<(), StoreError> {
        if !self.is_sound() {
            self.abandon();
            return Err(StoreError::Commit("the connection was lost".into()));
        }
        let committed = self.batch("COMMIT");
        self.within.set(Within::Nothing);
        committed.map_err(|error| match error {
            StoreError::Postgres(ServerError::Lost(cause)) => StoreError::CommitUnknown(cause),
            error => {
                self.abandon();
                StoreError::Commit(error.to_string())
            }
        })
    }

    /// Drops a connection whose transaction is in no state to go on; the server takes it back.
    pub(in crate::store) fn abandon(&self) {
        self.within.set(Within::Nothing);
        self.link.borrow_mut().take();
    }

    /// Does something, on a new connection where the old one is found to be gone and nothing was begun on it.
    fn run<T>(
        &self,
        work: impl AsyncFn(&mut Link) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, StoreError> {
        let runtime = self.runtime.as_ref().expect("it is there until the drop");
        let mut link = self.link.borrow_mut();
        let mut again = link.is_some();
        loop {
            let outside = self.within.get() == Within::Nothing;
            if link.is_none() {
                if !outside {
                    return Err(ServerError::Lost("in the middle of a change".into()).into());
                }
                *link = Some(self.connect(runtime)?);
            }
            let current = link.as_mut().expect("it was just made");
            let lost = match runtime.block_on(async { timeout(PATIENCE, work(current)).await }) {
                Ok(Ok(done)) => return Ok(done),
                Ok(Err(error)) if is_lost(&error) => ServerError::of(&error).to_string(),
                Ok(Err(error)) => {
                    if !outside {
                        self.within.set(Within::FailedChange);
                    }
                    return Err(ServerError::of(&error).into());
                }
                Err(_) => {
                    again = false;
                    "the server did not answer in time".to_owned()
                }
            };
            *link = None;
            if !(again && outside) {
                return Err(ServerError::Lost(lost).into());
            }
            again = false;
        }
    }

    fn connect(&self, runtime: &Runtime) -> Result<Link, StoreError> {
        let (next, pause) = self.wait.get();
        if Instant::now() < next {
            return Err(ServerError::Unreachable("tried a moment ago".into()).into());
        }
        let made = runtime.block_on(async {
            let (client, connection) = self.server.connect(|_| {}).await?;
            tokio::spawn(connection);
            let mut greeting = GREETING.to_owned();
            if self.reads_only {
                greeting.push_str(READ_ONLY);
            }
            let greeted = timeout(PATIENCE, client.batch_execute(&greeting)).await;
            greeted
                .map_err(|_| ServerError::Unreachable("the server did not answer in time".into()))?
                .map_err(|error| ServerError::of(&error))?;
            Ok::<_, ServerError>(Link {
                client,
                statements: HashMap::new(),
            })
        });
        match made {
            Ok(link) => {
                self.wait.set((Instant::now(), FIRST_PAUSE));
                Ok(link)
            }
            Err(error) => {
                let longer = (pause * 2).min(LONGEST_PAUSE);
                self.wait.set((Instant::now() + pause, longer));
                Err(error.into())
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.link.get_mut().take();
        if let Some(runtime) = self.runtime.take() {
            // It may be dropped where nothing may block.
            runtime.shutdown_background();
        }
    }
}
