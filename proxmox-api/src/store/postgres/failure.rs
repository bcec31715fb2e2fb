//! Errors of PostgreSQL and of the connection to it. None contains values of rows or the password.

use std::error::Error as _;

use tokio_postgres::{Error, error::SqlState};

/// Why PostgreSQL could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServerError {
    /// There is no answer, or not that of a PostgreSQL.
    #[error("cannot connect: {0}")]
    Unreachable(String),
    /// The account or its password is wrong, or the server does not accept it from this address.
    #[error("the server does not let this account in: {0}")]
    NotLetIn(String),
    /// The database is not there.
    #[error("{0}: create it, with this account as its owner")]
    NoDatabase(String),
    /// The account lacks a right.
    #[error("the account may not do what is needed: {0}")]
    NoRight(String),
    /// A release that is not worked with.
    #[error("PostgreSQL {0} is too old, 13 is the oldest that works")]
    TooOld(String),
    /// The schema is of a later release.
    #[error("its schema is of a newer release of this service ({found}, this one knows {known})")]
    Newer {
        /// The version that the database has.
        found: i64,
        /// The version that this release makes.
        known: i64,
    },
    /// A connection pooler between us and the server gives each transaction another session.
    #[error(
        "the address leads to a pooler that does not keep sessions, which locks of replicas \
         need: name the server itself, or a \
         pool with pool_mode=session"
    )]
    Pooler,
    /// Services work on the database, so that it cannot be copied.
    #[error("a service works on this database, or another copy: stop all replicas first")]
    InUse,
    /// It is being copied, or copied into, so that no service may work on it.
    #[error("this database is being copied: start the service when the copy has ended")]
    BeingCopied,
    /// The connection was lost before anything was made.
    #[error("the connection was lost: {0}")]
    Lost(String),
    /// A deadlock or a serialization failure rolled it back; it can be retried.
    #[error("rolled back by a deadlock or a serialization failure: {0}")]
    RolledBack(String),
    /// A unique constraint is violated.
    #[error("{0}")]
    UniqueViolation(String),
    /// Division by zero, which a compare-and-set statement provokes if its row was changed.
    #[error("a statement found nothing to change")]
    NothingChanged,
    /// Anything else that the server refuses.
    #[error("{0}")]
    Refused(String),
}

impl ServerError {
    /// The meaning of an error on an established connection.
    pub(in crate::store) fn in_use(error: &Error) -> Self {
        match error.as_db_error() {
            None => Self::Lost(chain(error)),
            Some(_) => Self::of(error),
        }
    }

    pub(in crate::store) fn of(error: &Error) -> Self {
        let Some(refusal) = error.as_db_error() else {
            return Self::Unreachable(chain(error));
        };
        let (code, text) = (refusal.code(), refusal.message().to_owned());
        match code {
            &SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
                Self::NotLetIn(text)
            }
            &SqlState::INVALID_CATALOG_NAME => Self::NoDatabase(text),
            &SqlState::INSUFFICIENT_PRIVILEGE => Self::NoRight(text),
            &SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED => {
                Self::RolledBack(text)
            }
            &SqlState::UNIQUE_VIOLATION => Self::UniqueViolation(text),
            &SqlState::DIVISION_BY_ZERO => Self::NothingChanged,
            _ => Self::Refused(format!("{text} ({})", code.code())),
        }
    }
}

/// Whether the connection is of no use after this.
pub(super) fn is_lost(error: &Error) -> bool {
    const OVER: &[SqlState] = &[
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
        // A standby has taken over, and the server that was the primary takes no changes any more.
        SqlState::READ_ONLY_SQL_TRANSACTION,
        // The schema has changed under a prepared statement.
        SqlState::FEATURE_NOT_SUPPORTED,
        // A pooler has given us another connection, which knows none of our statements.
        SqlState::INVALID_SQL_STATEMENT_NAME,
    ];
    error.code().is_none_or(|code| OVER.contains(code))
}

/// An error with its causes.
pub(super) fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text
}
