//! A connection that sends the steps of whoever waits in one go: a transaction for all of them, and one round trip. What is
//! refused in it takes back the others, and each is then sent alone.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::Poll,
};

use tokio::{
    sync::{Mutex, mpsc, oneshot},
    time::{sleep, timeout},
};
use tokio_postgres::{Error, types::ToSql};

use super::{
    PATIENCE, ServerError,
    failure::is_lost,
    link::{Link, Patience},
    server::Server,
    session::{TRIES, pause},
};
use crate::store::{
    StoreError,
    db::Value,
    steps::{Owned, Step},
};

/// Changes in one transaction: enough to share the price of a commit, few enough to keep the first caller's wait short.
const GROUP: usize = 64;

/// A change, and the way to its caller.
pub(super) struct Job {
    pub(super) steps: Vec<Step>,
    pub(super) reply: oneshot::Sender<Result<(), StoreError>>,
}

/// Takes what waits, until nobody is left who could ask.
pub(super) async fn serve(server: Server, jobs: Arc<Mutex<mpsc::Receiver<Job>>>) {
    let mut lane = Lane {
        server,
        link: None,
        patience: Patience::default(),
    };
    loop {
        let mut group = Vec::new();
        if jobs.lock().await.recv_many(&mut group, GROUP).await == 0 {
            return;
        }
        lane.make(group).await;
    }
}

struct Lane {
    server: Server,
    link: Option<Link>,
    patience: Patience,
}

/// What became of a transaction.
enum Failure {
    /// The server refused one of its statements, so that nothing was made.
    Refused(StoreError),
    /// The connection is of no use, and nothing was made.
    Unsent(StoreError),
    /// The connection was lost: it may have been made.
    Unknown(String),
}

impl Lane {
    async fn make(&mut self, group: Vec<Job>) {
        let all: Vec<&[Step]> = group.iter().map(|job| job.steps.as_slice()).collect();
        let alone = all.len() == 1;
        match self.send(&all).await {
            Ok(()) => group.into_iter().for_each(|job| job.answer(Ok(()))),
            Err(Failure::Unknown(cause)) => {
                for job in group {
                    job.answer(Err(StoreError::CommitUnknown(cause.clone())));
                }
            }
            Err(Failure::Refused(error)) if alone && !is_taken_back(&error) => {
                let mut error = Some(error);
                for job in group {
                    job.answer(Err(error.take().unwrap_or(StoreError::Stopped)));
                }
            }
            Err(Failure::Refused(_) | Failure::Unsent(_)) => {
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
                Ok(()) => return Ok(()),
                Err(Failure::Unknown(cause)) => return Err(StoreError::CommitUnknown(cause)),
                Err(Failure::Refused(error)) if is_taken_back(&error) && tries < TRIES => {
                    sleep(pause(tries)).await;
                }
                Err(Failure::Unsent(_)) if tries == 1 => {}
                Err(Failure::Refused(error) | Failure::Unsent(error)) => return Err(error),
            }
            tries += 1;
        }
    }

    async fn send(&mut self, changes: &[&[Step]]) -> Result<(), Failure> {
        let link = match &mut self.link {
            Some(link) if !link.client.is_closed() => link,
            link => {
                let unsent = |error: ServerError| Failure::Unsent(error.into());
                self.patience.check().map_err(unsent)?;
                let made = timeout(PATIENCE, Link::connect(&self.server)).await;
                let late = |_| ServerError::Unreachable("the server did not answer in time".into());
                let made = made.map_err(late).flatten();
                self.patience.tried(made.is_ok());
                link.insert(made.map_err(unsent)?)
            }
        };
        let sent = match timeout(PATIENCE, transact(link, changes)).await {
            Ok(sent) => sent,
            Err(_) => Err(Failure::Unknown(
                "the server did not answer in time".to_owned(),
            )),
        };
        if let Err(Failure::Unsent(_) | Failure::Unknown(_)) = sent {
            self.link = None;
        }
        sent
    }
}

impl Job {
    fn answer(self, result: Result<(), StoreError>) {
        // A caller that hung up changes nothing.
        let _ = self.reply.send(result);
    }
}

fn is_taken_back(error: &StoreError) -> bool {
    matches!(error, StoreError::Postgres(ServerError::TakenBack(_)))
}

/// What a step is for the server: one that has to change a row divides by the number of rows that it changed.
fn written(step: &Step) -> String {
    match step.required {
        None => step.sql.clone().into_owned(),
        Some(_) => format!(
            "WITH changed AS ({} RETURNING 1) SELECT 1 / count(*) FROM changed",
            step.sql
        ),
    }
}

/// Sends all of it without waiting in between, sorted by row, so that two that meet do not wait for each other in a circle.
async fn transact(link: &mut Link, changes: &[&[Step]]) -> Result<(), Failure> {
    let mut steps: Vec<&Step> = changes.iter().copied().flatten().collect();
    steps.sort_by(|one, other| one.row.cmp(&other.row));
    let mut statements = Vec::with_capacity(steps.len());
    let values: Vec<Vec<Value<'_>>> = steps
        .iter()
        .map(|step| step.values.iter().map(Owned::borrow).collect())
        .collect();
    for (step, values) in steps.iter().zip(&values) {
        // Nothing was begun yet.
        let statement = link.statement(&written(step), values).await;
        statements.push(statement.map_err(|error| match is_lost(&error) {
            true => Failure::Unsent(ServerError::of(&error).into()),
            false => Failure::Refused(ServerError::of(&error).into()),
        })?);
    }
    let parameters: Vec<Vec<&(dyn ToSql + Sync)>> = values
        .iter()
        .map(|values| values.iter().map(Value::parameter).collect())
        .collect();
    let client = &link.client;
    let is_one = steps.len() == 1 && link.is_durable;
    let mut sent: Vec<Pin<Box<dyn Future<Output = Result<(), Error>> + Send + '_>>> = Vec::new();
    if !is_one {
        sent.push(Box::pin(client.batch_execute(&link.begin)));
    }
    for (statement, parameters) in statements.iter().zip(&parameters) {
        let executed = client.execute(statement, parameters.as_slice());
        sent.push(Box::pin(async move { executed.await.map(drop) }));
    }
    if !is_one {
        sent.push(Box::pin(client.batch_execute("COMMIT")));
    }
    let offset = usize::from(!is_one);
    let results = in_order(sent).await;
    let Some((place, error)) = results
        .into_iter()
        .enumerate()
        .find_map(|(place, result)| Some((place, result.err()?)))
    else {
        return Ok(());
    };
    if is_statement_gone(&error) {
        return Err(Failure::Unsent(ServerError::of(&error).into()));
    }
    if is_lost(&error) {
        return Err(Failure::Unknown(ServerError::of(&error).to_string()));
    }
    // Without a transaction each of the statements was made on its own.
    if place < offset {
        return Err(Failure::Unknown(ServerError::of(&error).to_string()));
    }
    let step = place.checked_sub(offset).and_then(|place| steps.get(place));
    let unfit = match (ServerError::of(&error), step) {
        (ServerError::Unfit, Some(step)) => step.required,
        (ServerError::Taken(_), Some(step)) => step.taken,
        _ => None,
    };
    Err(Failure::Refused(unfit.map_or_else(
        || ServerError::of(&error).into(),
        StoreError::from,
    )))
}

/// A prepared statement that the connection does not know any more, which takes the whole transaction back.
fn is_statement_gone(error: &Error) -> bool {
    use tokio_postgres::error::SqlState;
    [
        SqlState::INVALID_SQL_STATEMENT_NAME,
        SqlState::FEATURE_NOT_SUPPORTED,
    ]
    .iter()
    .any(|code| error.code() == Some(code))
}

/// Begins all of them in their order, and waits for all.
async fn in_order<T>(mut all: Vec<Pin<Box<dyn Future<Output = T> + Send + '_>>>) -> Vec<T> {
    let mut done: Vec<Option<T>> = all.iter().map(|_| None).collect();
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
