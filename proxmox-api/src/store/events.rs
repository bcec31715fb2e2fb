//! The audit trail: rows are added and never changed.

use super::{Db, Store, StoreError, values};

/// Something that happened to a lease or a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Position in the trail.
    pub event_id: i64,
    /// Unix seconds.
    pub at: i64,
    /// The lease or payment it is about.
    pub subject: String,
    /// What happened, as a short word.
    pub kind: String,
    /// Details as JSON; no secrets.
    pub data: String,
}

/// Adds an event together with the change that it is about; its position.
pub(super) fn append(
    db: Db<'_>,
    at: i64,
    subject: &str,
    kind: &str,
    data: &str,
) -> Result<i64, StoreError> {
    db.one(
        "INSERT INTO events (at, subject, kind, data) VALUES (?1, ?2, ?3, ?4) RETURNING event_id",
        values![at, subject, kind, data],
        |row| row.get("event_id"),
    )
}

impl Store {
    /// Adds an event and returns its position.
    ///
    /// # Errors
    /// The database failed.
    pub async fn append_event(
        &self,
        at: i64,
        subject: &str,
        kind: &str,
        data: &serde_json::Value,
    ) -> Result<i64, StoreError> {
        let (subject, kind, data) = (subject.to_owned(), kind.to_owned(), data.to_string());
        self.write(move |db| append(db, at, &subject, &kind, &data))
            .await
    }

    /// The events about `subject` after position `after`, oldest first, at most `limit`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn events(
        &self,
        subject: &str,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Event>, StoreError> {
        let subject = subject.to_owned();
        self.read(move |db| {
            db.all(
                "SELECT event_id, at, subject, kind, data FROM events
                 WHERE subject = ?1 AND event_id > ?2 ORDER BY event_id LIMIT ?3",
                values![subject, after, limit],
                |row| {
                    Ok(Event {
                        event_id: row.get("event_id")?,
                        at: row.get("at")?,
                        subject: row.get("subject")?,
                        kind: row.get("kind")?,
                        data: row.get("data")?,
                    })
                },
            )
        })
        .await
    }
}
