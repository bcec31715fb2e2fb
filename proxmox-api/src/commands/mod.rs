//! The operator's commands. They work on the database beside the running service: every change is
//! one transaction that checks the row's state, and the service goes on from the row.

pub mod backup;
pub mod installation_key;
pub mod leases;
pub mod names;
pub mod payments;
pub mod store;

use std::{io::Write as _, process::ExitCode};

use crate::store::{Database, DatabaseCondition, Store, StoreError, database_condition};

/// Prints the text of a command. The status is 0 if the command succeeded.
pub fn print(text: Result<String, String>) -> ExitCode {
    match text {
        Ok(text) => {
            // The reader of the output may have ended, as `head` does.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// Reads the option `--reason`, which the audit trail keeps.
fn read_reason(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("a decision needs a reason".into()),
        reason => Ok(reason.to_owned()),
    }
}

/// Opens a database of this release. It makes none and migrates none, because a service of another
/// release may be running on it.
async fn open(database: &Database) -> Result<Store, String> {
    match database_condition(database).await.map_err(unusable)? {
        DatabaseCondition::InOrder => Store::open_database(database).await.map_err(unusable),
        DatabaseCondition::Fresh => Err("there is no database yet: nothing was sold".into()),
        DatabaseCondition::Older => {
            Err("the database is of an earlier release: start the service once".into())
        }
        DatabaseCondition::HalfCopied => Err(StoreError::HalfCopied.to_string()),
        DatabaseCondition::Newer => {
            Err("the database is of a later release than this program".into())
        }
    }
}

fn unusable(error: StoreError) -> String {
    format!("the database cannot be used: {error}")
}
