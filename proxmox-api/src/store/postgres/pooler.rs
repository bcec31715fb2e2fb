//! Detects a pooler that does not keep sessions. Advisory locks and `LISTEN` belong to a session of
//! the server, so a pooler that gives every transaction another session would let two replicas hold
//! the same lock.

use std::collections::BTreeSet;

use tokio_postgres::{Client, SimpleQueryMessage};

use super::{ServerError, server::Server};

/// How often each of two sessions is asked.
const ROUNDS: usize = 3;

/// Refuses a server that is reached through such a pooler: two sessions that are open at the same
/// time have two processes, each its own for as long as it lasts, and behind a pooler of
/// transactions they take turns on the ones that are free.
///
/// # Errors
/// There is such a pooler, or the server cannot be reached.
pub(in crate::store) async fn refuse(server: &Server) -> Result<(), ServerError> {
    let (one, driver) = server.connect(|_| {}).await?;
    let one_driven = tokio::spawn(driver);
    let (other, driver) = server.connect(|_| {}).await?;
    let other_driven = tokio::spawn(driver);
    let (mut of_one, mut of_other) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..ROUNDS {
        of_one.insert(process(&one).await?);
        of_other.insert(process(&other).await?);
    }
    drop((one, other));
    // Both end by themselves without their client.
    let _ = tokio::join!(one_driven, other_driven);
    match are_kept(&of_one, &of_other) {
        true => Ok(()),
        false => Err(ServerError::Pooler),
    }
}

/// Whether each of two sessions stayed on one process of the server, and the two on different ones.
fn are_kept(one: &BTreeSet<String>, other: &BTreeSet<String>) -> bool {
    one.len() == 1 && other.len() == 1 && one.is_disjoint(other)
}

async fn process(client: &Client) -> Result<String, ServerError> {
    // Without a prepared statement, which such a pooler may lose.
    let answer = client.simple_query("SELECT pg_backend_pid()").await;
    let answer = answer.map_err(|error| ServerError::of(&error))?;
    let process = answer.into_iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    process.ok_or_else(|| ServerError::Refused("it does not say which process serves".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_kept_where_each_has_one_process_of_its_own() {
        let of = |pids: &[&str]| pids.iter().map(|pid| (*pid).to_owned()).collect();
        assert!(are_kept(&of(&["7"]), &of(&["8"])));
        assert!(!are_kept(&of(&["7"]), &of(&["7"])));
        assert!(!are_kept(&of(&["7", "9"]), &of(&["8"])));
        assert!(!are_kept(&of(&["7"]), &of(&["8", "9"])));
    }
}
