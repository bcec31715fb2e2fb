//! Whether the configured store can be used.

use std::path::Path;

use super::Finding;
use crate::config::Config;
use crate::store::{
    Database, DatabaseCondition, Server, ServerError, Store, StoreError, database_condition,
};

const CHECK: &str = "store";

/// Examines the file, the folder where it will be made, or the server.
pub(super) async fn examine(database: &Database) -> Finding {
    let expected = match database {
        Database::File(_) => format!("the store {database} can be written"),
        Database::Server(_) => format!("the store, {database}, can be used"),
    };
    let found = database_condition(database).await;
    match (found, database) {
        (Ok(DatabaseCondition::Newer), _) => newer(&expected),
        (Ok(DatabaseCondition::HalfCopied), _) => half_copied(&expected),
        (Err(error), Database::File(path)) => unwritable(&expected, path, &error),
        (Err(error), Database::Server(_)) => unusable(&expected, &error),
        (Ok(_), Database::Server(server)) if server.is_exposed() => exposed(&expected),
        (Ok(DatabaseCondition::Fresh), _) => {
            Finding::ok(CHECK, &expected, "it will be made at the first start")
        }
        (Ok(DatabaseCondition::InOrder), _) => Finding::ok(CHECK, &expected, "it can"),
        (Ok(DatabaseCondition::Older), _) => Finding::ok(
            CHECK,
            &expected,
            "it can, and is brought up to date at the next start",
        ),
    }
}

/// The store, if there is one of this release.
pub(super) async fn open(config: &Config) -> Option<Store> {
    match database_condition(&config.database).await {
        Ok(DatabaseCondition::InOrder) => Store::open_database(&config.database).await.ok(),
        _ => None,
    }
}

/// The finding about a server that is in use: a running service reaches it.
pub(super) fn caution(server: &Server) -> Option<Finding> {
    let expected = format!("the store, {server}, can be used");
    server.is_exposed().then(|| exposed(&expected))
}

fn newer(expected: &str) -> Finding {
    let found = "a newer release of this service has written it";
    Finding::error(CHECK, expected, found)
        .mend("install that release again, or restore the backup made before the upgrade")
}

fn half_copied(expected: &str) -> Finding {
    Finding::error(CHECK, expected, StoreError::HalfCopied.to_string())
        .mend("proxmox-api store copy FROM TO  # the same again goes on where it stopped")
}

fn exposed(expected: &str) -> Finding {
    let found = "the server's certificate is not checked: a machine in between can read and change everything";
    Finding::warning(CHECK, expected, found)
        .mend("DATABASE=postgres://…?sslmode=verify-full  # and sslrootcert=FILE for an authority of your own")
}

fn unwritable(expected: &str, path: &Path, error: &StoreError) -> Finding {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).display();
    Finding::error(CHECK, expected, error.to_string())
        .mend(format!(
            "mkdir -p {folder} && chown \"$(id -un)\" {folder}  # as the user that runs the service"
        ))
        .mend("DATABASE=/var/lib/infra402/leases.sqlite  # a folder that it may write to")
}

fn unusable(expected: &str, error: &StoreError) -> Finding {
    let finding = Finding::error(CHECK, expected, error.to_string());
    let StoreError::Postgres(error) = error else {
        return finding;
    };
    match error {
        ServerError::Unreachable(_) | ServerError::Lost(_) => finding
            .mend("pg_isready -h HOST -p PORT  # whether it runs, and can be reached from here"),
        ServerError::NotLetIn(_) => finding
            .mend("ALTER ROLE infra402 PASSWORD '…';  -- and the same in DATABASE, percent-encoded")
            .mend("a line for this account, database and address in the server's pg_hba.conf"),
        ServerError::NoDatabase(_) => finding.mend("CREATE DATABASE infra402 OWNER infra402;"),
        ServerError::NoRight(_) => finding
            .mend("ALTER DATABASE infra402 OWNER TO infra402;")
            .mend("GRANT CREATE, USAGE ON SCHEMA public TO infra402;  -- in that database"),
        ServerError::TooOld(_) => {
            finding.mend("upgrade the server: https://www.postgresql.org/support/versioning")
        }
        ServerError::Newer { .. } => newer(expected),
        ServerError::Pooler => finding
            .mend("DATABASE=postgres://…  # the server's own address")
            .mend("infra402 = host=… pool_mode=session  # in PgBouncer's [databases]"),
        ServerError::InUse
        | ServerError::BeingCopied
        | ServerError::Refused(_)
        | ServerError::RolledBack(_)
        | ServerError::UniqueViolation(_)
        | ServerError::NothingChanged => finding,
    }
}
