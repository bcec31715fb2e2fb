//! The operator's commands. They work on the database beside the running service: every change is one transaction that checks
//! the row's state, and the service goes on from the row.

pub mod backup;
pub mod leases;
pub mod payments;
pub mod store;

use std::{io::Write as _, process::ExitCode};

use crate::store::{Database, DatabaseCondition, Store, StoreError, database_condition};

/// Prints what a command says. The status is 0 where it did what was asked.
pub fn print(said: Result<String, String>) -> ExitCode {
    match said {
        Ok(text) => {
            // Whatever reads the output may have ended, as `head` does.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// Opens a database of this release; never makes one or brings its schema up to date, under a service of another release.
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
