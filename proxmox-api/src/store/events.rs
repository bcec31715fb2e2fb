//! The audit trail: rows are added and never changed.

use super::{
    Store, StoreError, cells,
    sql::{Step, StepTable},
    values,
};

/// Something that happened to a lease or a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
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

/// An event that is not stored yet.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// The lease or payment it is about.
    pub subject: String,
    /// What happened, as a short word.
    pub kind: &'static str,
    /// Details; no secrets.
    pub data: serde_json::Value,
}

impl NewEvent {
    /// An event about a lease or payment.
    pub fn new(subject: &str, kind: &'static str, data: serde_json::Value) -> Self {
        Self {
            subject: subject.to_owned(),
            kind,
            data,
        }
    }

    /// Logs the event once it is stored.
    pub fn log(&self) {
        log_event(&self.subject, self.kind, &self.data);
    }

    /// The event as a step, which is made alone or together with the change that it is about.
    pub(super) fn step(&self, at: i64) -> Step {
        append(at, &self.subject, self.kind, &self.data.to_string())
    }
}

/// The log field that names the subject of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventSubject<'a> {
    /// A lease, by its id.
    Lease(&'a str),
    /// A payment, by its id.
    Payment(&'a str),
    /// A node, by its name.
    Node(&'a str),
}

impl<'a> EventSubject<'a> {
    /// The kind of subject by the form of its id: no node is called `pay_…`, and `lease-` is
    /// followed by 16 hexadecimal digits.
    pub fn new(subject: &'a str) -> Self {
        let is_lease =
            |id: &str| id.len() == 16 && id.bytes().all(|digit| digit.is_ascii_hexdigit());
        match subject {
            _ if subject.starts_with("pay_") => Self::Payment(subject),
            _ if subject.strip_prefix("lease-").is_some_and(is_lease) => Self::Lease(subject),
            _ => Self::Node(subject),
        }
    }

    /// The values of the fields `lease.id`, `payment.id` and `node`.
    pub fn fields(self) -> [Option<&'a str>; 3] {
        match self {
            Self::Lease(id) => [Some(id), None, None],
            Self::Payment(id) => [None, Some(id), None],
            Self::Node(name) => [None, None, Some(name)],
        }
    }
}

/// Writes an event to the log. Every event of the audit trail is logged here.
pub fn log_event(subject: &str, kind: &str, data: &serde_json::Value) {
    let [lease, payment, node] = EventSubject::new(subject).fields();
    tracing::info!(lease.id = lease, payment.id = payment, node, event = kind, %data, "event recorded");
}

/// Adds an event, alone or together with the change that it is about.
pub(super) fn append(at: i64, subject: &str, kind: &str, data: &str) -> Step {
    let row = cells! { "at": at, "subject": subject, "kind": kind, "data": data };
    Step::insert((StepTable::Events, subject), "events", &row, "")
}

impl Store {
    /// Adds an event.
    ///
    /// # Errors
    /// The database failed.
    pub async fn append_event(
        &self,
        at: i64,
        subject: &str,
        kind: &str,
        data: &serde_json::Value,
    ) -> Result<(), StoreError> {
        self.make(vec![append(at, subject, kind, &data.to_string())])
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
    ) -> Result<Vec<AuditEvent>, StoreError> {
        let subject = subject.to_owned();
        self.read(move |db| {
            db.all(
                "SELECT event_id, at, subject, kind, data FROM events
                 WHERE subject = ?1 AND event_id > ?2 ORDER BY event_id LIMIT ?3",
                values![subject, after, limit],
                |row| {
                    Ok(AuditEvent {
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
