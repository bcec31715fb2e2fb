//! The schema on PostgreSQL: the same steps as on SQLite, counted in a table of one row. One
//! replica at a time makes them.

use super::{MIGRATING, OLDEST, ServerError, Session, presence, server::Server};
use crate::store::{
    StoreError,
    schema::{COPY_PROGRESS, DatabaseCondition, STEPS},
    sql::{Row, values},
};

/// Brings the schema up to date for a service, or refuses one of a later release and a database
/// that is being copied, or whose copy is unfinished.
pub(in crate::store) fn migrate(session: &Session) -> Result<(), StoreError> {
    presence::check_no_copy(session)?;
    if is_half_copied(session)? {
        return Err(StoreError::HalfCopied);
    }
    bring_up_to_date(session)
}

/// Brings the schema up to date, or refuses one of a later release.
pub(in crate::store) fn bring_up_to_date(session: &Session) -> Result<(), StoreError> {
    check_release(session)?;
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    // Without the right to make tables an account may still use a schema that is in order.
    match version(session)? {
        Some(found) if found == known => return Ok(()),
        Some(found) if found > known => return Err(ServerError::Newer { found, known }.into()),
        _ => {}
    }
    let mut all = format!(
        "BEGIN; SELECT pg_advisory_xact_lock({MIGRATING});
         CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL); COMMIT"
    );
    session.batch(&all).inspect_err(|_| session.abandon())?;
    for (step, written) in (1..).zip(STEPS) {
        let sql = written.postgres();
        // The lock is taken for each step, and another replica may have made it meanwhile.
        all = format!(
            "DO $step$ BEGIN
               PERFORM pg_advisory_xact_lock({MIGRATING});
               IF coalesce((SELECT max(version) FROM schema_version), 0) < {step} THEN
                 EXECUTE $sql${sql}$sql$;
                 INSERT INTO schema_version (version) VALUES ({step});
               END IF;
             END $step$"
        );
        session.batch(&all)?;
    }
    Ok(())
}

/// The condition of the database, which is not changed.
///
/// # Errors
/// It cannot be used, and why.
pub(in crate::store) fn database_condition(
    server: &Server,
) -> Result<DatabaseCondition, StoreError> {
    let session = Session::new(server.clone())?;
    check_release(&session)?;
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    let found = version(&session)?;
    if found.unwrap_or(0) < known {
        let sql = "SELECT 1 WHERE has_schema_privilege(current_schema(), 'CREATE')";
        if session.query(sql, &[])?.is_empty() {
            let lacks = "it may make no tables in the schema where they belong";
            return Err(ServerError::NoRight(lacks.into()).into());
        }
    }
    if is_half_copied(&session)? {
        return Ok(DatabaseCondition::HalfCopied);
    }
    Ok(match found {
        None | Some(0) => DatabaseCondition::Fresh,
        Some(found) if found < known => DatabaseCondition::Older,
        Some(found) if found > known => DatabaseCondition::Newer,
        Some(_) => DatabaseCondition::InOrder,
    })
}

fn check_release(session: &Session) -> Result<(), StoreError> {
    let sql = "SELECT CAST(current_setting('server_version_num') AS BIGINT) AS number,
         current_setting('server_version') AS text";
    let rows = session.query(sql, &[])?;
    let row = rows.first().ok_or(StoreError::Unreadable("the release"))?;
    let row = Row::Postgres(row);
    let number: i64 = row.get("number")?;
    if number / 10_000 < OLDEST {
        return Err(ServerError::TooOld(row.get("text")?).into());
    }
    Ok(())
}

fn is_half_copied(session: &Session) -> Result<bool, StoreError> {
    is_there(session, COPY_PROGRESS)
}

fn is_there(session: &Session, table: &str) -> Result<bool, StoreError> {
    let sql = "SELECT 1 WHERE to_regclass(?1) IS NOT NULL";
    Ok(!session.query(sql, values![table])?.is_empty())
}

/// The last step that was made; none where the table is not there.
fn version(session: &Session) -> Result<Option<i64>, StoreError> {
    if !is_there(session, "schema_version")? {
        return Ok(None);
    }
    let rows = session.query(
        "SELECT coalesce(max(version), 0) AS version FROM schema_version",
        &[],
    )?;
    let row = rows
        .first()
        .ok_or(StoreError::Unreadable("the schema's version"))?;
    Row::Postgres(row).get("version").map(Some)
}
