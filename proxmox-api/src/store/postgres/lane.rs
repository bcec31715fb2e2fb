//! A connection that sends the queued changes of many callers in one transaction and one round
//! trip. If one of them is refused, all are rolled back, and each is then sent alone.

use std::{
    borrow::Cow,
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
};

use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};
use tokio_postgres::{Error, types::ToSql};

use super::{
    STATEMENT_TIMEOUT, ServerError,
    connection::{ConnectBackoff, PreparedConnection},
    failure::is_lost,
    server::Server,
    session::{TRIES, pause},
};
use crate::store::{
    StoreError,
    sql::{OwnedValue, Step, StepRefusal, Value},
};

/// Changes in one transaction: enough to share the price of a commit, few enough to keep the first
/// caller's wait short.
const GROUP: usize = 64;

/// A change, and the channel to its caller.
pub(in crate::store) struct QueuedSteps {
    pub(in crate::store) steps: Vec<Step>,
    pub(in crate::store) reply: oneshot::Sender<Result<(), StoreError>>,
}

/// Sends queued changes until all senders are dropped.
pub(in crate::store) async fn serve(server: Server, mut jobs: mpsc::Receiver<QueuedSteps>) {
    let mut lane = Lane {
        server,
        link: None,
        backoff: ConnectBackoff::default(),
    };
    loop {
        let mut group = Vec::new();
        if jobs.recv_many(&mut group, GROUP).await == 0 {
            return;
        }
        lane.make(group).await;
    }
}

struct Lane {
    server: Server,
    link: Option<PreparedConnection>,
    backoff: ConnectBackoff,
}

/// Whether a change was made, of those that can be left out alone.
type StepsResult = Result<(), StepRefusal>;

/// Why a transaction was not made.
enum SendFailure {
    /// The server refused one of its statements, so that nothing was made.
    Refused(StoreError),
    /// The connection is of no use, and nothing was made.
    Unsent(StoreError),
    /// The connection was lost: it may have been made.
    Unknown(String),
}

impl Lane {
    async fn make(&mut self, group: Vec<QueuedSteps>) {
        let all: Vec<&[Step]> = group.iter().map(|job| job.steps.as_slice()).collect();
        let alone = all.len() == 1;
        match self.send(&all).await {
            Ok(fitted) => {
                for (job, fits) in group.into_iter().zip(fitted) {
                    job.answer(fits.map_err(StoreError::from));
                }
            }
            Err(SendFailure::Unknown(cause)) => {
                for job in group {
                    job.answer(Err(StoreError::CommitUnknown(cause.clone())));
                }
            }
            Err(SendFailure::Refused(error)) if alone && !is_taken_back(&error) => {
                let mut error = Some(error);
                for job in group {
                    job.answer(Err(error.take().unwrap_or(StoreError::Stopped)));
                }
            }
            Err(SendFailure::Refused(_) | SendFailure::Unsent(_)) => {
                for job in group {
                    let result = self.make_alone(&job.steps).await;
                    job.answer(result);
                }
            }
        }
    }

    async fn make_alone(&mut self, steps: &[Step]) -> Result<(), StoreError> {
        let mut tries = 1;
        loop {
            match self.send(&[steps]).await {
                Ok(fitted) => {
                    let fits = fitted.into_iter().collect::<Result<(), StepRefusal>>();
                    return fits.map_err(StoreError::from);
                }
                Err(SendFailure::Unknown(cause)) => return Err(StoreError::CommitUnknown(cause)),
                Err(SendFailure::Refused(error)) if is_taken_back(&error) && tries < TRIES => {
                    sleep(pause(tries)).await;
                }
                Err(SendFailure::Unsent(_)) if tries == 1 => {}
                Err(SendFailure::Refused(error) | SendFailure::Unsent(error)) => return Err(error),
            }
            tries += 1;
        }
    }

    async fn send(&mut self, changes: &[&[Step]]) -> Result<Vec<StepsResult>, SendFailure> {
        let link = match &mut self.link {
            Some(link) if !link.client.is_closed() => link,
            link => {
                let unsent = |error: ServerError| SendFailure::Unsent(error.into());
                self.backoff.check().map_err(unsent)?;
                let made =
                    timeout(STATEMENT_TIMEOUT, PreparedConnection::connect(&self.server)).await;
                let late = |_| ServerError::Unreachable("the server did not answer in time".into());
                let made = made.map_err(late).flatten();
                self.backoff.tried(made.is_ok());
                link.insert(made.map_err(unsent)?)
            }
        };
        let sent = match timeout(STATEMENT_TIMEOUT, transact(link, changes)).await {
            Ok(sent) => sent,
            Err(_) => Err(SendFailure::Unknown(
                "the server did not answer in time".to_owned(),
            )),
        };
        if let Err(SendFailure::Unsent(_) | SendFailure::Unknown(_)) = sent {
            self.link = None;
        }
        sent
    }
}

impl QueuedSteps {
    fn answer(self, result: Result<(), StoreError>) {
        // An error means that the caller is gone; the change was made.
        let _ = self.reply.send(result);
    }
}

fn is_taken_back(error: &StoreError) -> bool {
    matches!(error, StoreError::Postgres(ServerError::RolledBack(_)))
}

/// The SQL of a step. A step that has to change a row, and must roll the others back where it does
/// not, divides by the number of rows that it changed: the error ends the transaction without
/// another round trip.
fn written(step: &Step, is_alone: bool) -> Cow<'_, str> {
    match step.required {
        Some(_) if !is_alone => Cow::Owned(format!(
            "WITH changed AS ({} RETURNING 1) SELECT 1 / count(*) FROM changed",
            step.sql
        )),
        _ => Cow::Borrowed(&step.sql),
    }
}

/// A statement on its way: how many rows it changed.
type PendingStatement<'a> = Pin<Box<dyn Future<Output = Result<u64, Error>> + Send + 'a>>;

/// A step of one of the changes that are sent.
struct SentStep<'a> {
    step: &'a Step,
    /// Which change.
    change: usize,
    /// Whether it is the only step of its change, so that no other has to be rolled back.
    is_alone: bool,
}

/// Sends all steps in a pipeline, sorted by row, so that two groups with rows in common do not
/// deadlock.
async fn transact(
    link: &mut PreparedConnection,
    changes: &[&[Step]],
) -> Result<Vec<StepsResult>, SendFailure> {
    let mut steps: Vec<SentStep<'_>> = Vec::new();
    for (change, of_change) in changes.iter().enumerate() {
        let is_alone = of_change.len() == 1;
        let sent = |step| SentStep {
            step,
            change,
            is_alone,
        };
        steps.extend(of_change.iter().map(sent));
    }
    steps.sort_by(|one, other| one.step.row.cmp(&other.step.row));
    let mut statements = Vec::with_capacity(steps.len());
    let values: Vec<Vec<Value<'_>>> = steps
        .iter()
        .map(|sent| sent.step.values.iter().map(OwnedValue::borrow).collect())
        .collect();
    for (sent, values) in steps.iter().zip(&values) {
        // The transaction has not begun yet.
        let sql = written(sent.step, sent.is_alone);
        let statement = link.statement(&sql, values).await;
        statements.push(statement.map_err(|error| match is_lost(&error) {
            true => SendFailure::Unsent(ServerError::of(&error).into()),
            false => SendFailure::Refused(ServerError::of(&error).into()),
        })?);
    }
    let parameters: Vec<Vec<&(dyn ToSql + Sync)>> = values
        .iter()
        .map(|values| values.iter().map(Value::parameter).collect())
        .collect();
    let client = &link.client;
    let is_one = steps.len() == 1 && link.is_durable;
    let mut asked: Vec<PendingStatement<'_>> = Vec::new();
    let words = async |sql: &str| client.batch_execute(sql).await.map(|()| 0);
    if !is_one {
        asked.push(Box::pin(words(&link.begin)));
    }
    for (statement, parameters) in statements.iter().zip(&parameters) {
        asked.push(Box::pin(client.execute(statement, parameters.as_slice())));
    }
    if !is_one {
        asked.push(Box::pin(words("COMMIT")));
    }
    let offset = usize::from(!is_one);
    let mut fits = vec![Ok(()); changes.len()];
    for (place, result) in in_order(asked).await.into_iter().enumerate() {
        let sent = place.checked_sub(offset).and_then(|place| steps.get(place));
        match (result, sent) {
            (Ok(0), Some(sent)) if sent.is_alone => {
                if let Some(unfit) = sent.step.required {
                    fits[sent.change] = Err(unfit);
                }
            }
            (Ok(_), _) => {}
            // Without a transaction each of the statements was made on its own.
            (Err(error), None) if place < offset => {
                return Err(SendFailure::Unknown(ServerError::of(&error).to_string()));
            }
            // The first error is the cause of all that follow.
            (Err(error), sent) => return Err(failure(&error, sent.map(|sent| sent.step))),
        }
    }
    Ok(fits)
}

fn failure(error: &Error, step: Option<&Step>) -> SendFailure {
    if needs_new_connection(error) {
        return SendFailure::Unsent(ServerError::of(error).into());
    }
    if is_lost(error) {
        return SendFailure::Unknown(ServerError::of(error).to_string());
    }
    let unfit = match (ServerError::of(error), step) {
        (ServerError::NothingChanged, Some(step)) => step.required,
        (ServerError::UniqueViolation(_), Some(step)) => step.taken,
        _ => None,
    };
    let why = || ServerError::of(error).into();
    SendFailure::Refused(unfit.map_or_else(why, StoreError::from))
}

/// Whether the transaction was rolled back because of the connection: it lost a prepared statement,
/// or its server is no longer the primary. On a new connection the change may be made.
fn needs_new_connection(error: &Error) -> bool {
    use tokio_postgres::error::SqlState;
    [
        SqlState::INVALID_SQL_STATEMENT_NAME,
        SqlState::FEATURE_NOT_SUPPORTED,
        SqlState::READ_ONLY_SQL_TRANSACTION,
    ]
    .iter()
    .any(|code| error.code() == Some(code))
}

/// Polls all of them once in their order, so that they are sent in it, and waits for all.
async fn in_order(mut all: Vec<PendingStatement<'_>>) -> Vec<Result<u64, Error>> {
    let mut done: Vec<Option<_>> = all.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (one, done) in all.iter_mut().zip(&mut done) {
            if done.is_none()
                && let Poll::Ready(result) = one.as_mut().poll(context)
            {
                *done = Some(result);
            }
        }
        match done.iter().all(Option::is_some) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
    done.into_iter().flatten().collect()
}
