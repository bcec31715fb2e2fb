//! Tickets, each of which opens a console once. A bought ticket is good for half a minute; an open
//! console has another one, by which a lost connection is resumed.

use api_types::GuestRoute;
use service::crypto;

use crate::{
    memory::replica::id_before_underscore,
    state::App,
    store::{Change, ConsoleTicket, StoreError},
};

/// Seconds within which a bought ticket has to be used.
pub const TICKET_SECONDS: i64 = 30;
/// Seconds for which a lost connection can be resumed.
pub const RESUME_SECONDS: u32 = 120;
/// How tickets begin that resume a console in the container's terminal.
const RESUMES_TERMINAL: &str = "resume_";
/// How tickets begin that resume a console with a shell over SSH; the id of the replica that has the
/// shell follows.
const RESUMES_SHELL: &str = "resume_ssh_";

/// The way into the container that the console had which a ticket resumes; none for a ticket that
/// was bought.
pub fn resumed_route(token: &str) -> Option<GuestRoute> {
    if token.starts_with(RESUMES_SHELL) {
        Some(GuestRoute::Ssh)
    } else if token.starts_with(RESUMES_TERMINAL) {
        Some(GuestRoute::Terminal)
    } else {
        None
    }
}

/// The id of the replica that has the shell which a ticket resumes; none for other tickets.
pub fn owner(token: &str) -> Option<&str> {
    id_before_underscore(token.strip_prefix(RESUMES_SHELL)?)
}

/// The change that makes a bought ticket good from now on, and its end, Unix seconds.
pub fn keep_ticket(app: &App, token: &str, ticket: ConsoleTicket) -> (Change, i64) {
    let expires_at = app.now() + TICKET_SECONDS;
    let change = Change::KeepTicket {
        hash: crypto::sha256_hex(token),
        ticket,
        expires_at,
    };
    (change, expires_at)
}

/// Uses a ticket up.
///
/// # Errors
/// The store failed.
pub async fn redeem(app: &App, token: &str) -> Result<Option<ConsoleTicket>, StoreError> {
    let hash = crypto::sha256_hex(token);
    app.store.use_console_ticket(&hash, app.now()).await
}

/// Makes a ticket that was just used good again, as long as a bought one, since no console was
/// opened.
///
/// # Errors
/// The store failed.
pub async fn restore(app: &App, token: &str) -> Result<(), StoreError> {
    let hash = crypto::sha256_hex(token);
    app.store
        .restore_console_ticket(&hash, app.now() + TICKET_SECONDS)
        .await
}

/// The ticket of an open console, to come back with.
pub struct ResumeTicket {
    /// The ticket.
    pub token: String,
    /// The hash under which it is stored.
    pub hash: String,
}

impl ResumeTicket {
    /// Makes one that is good for as long as the console is open, `until` at the latest.
    ///
    /// # Errors
    /// The store failed.
    pub async fn give(
        app: &App,
        ticket: ConsoleTicket,
        route: GuestRoute,
        until: i64,
    ) -> Result<Self, StoreError> {
        let random = crypto::random_hex(32);
        let token = match route {
            GuestRoute::Ssh => format!("{RESUMES_SHELL}{}_{random}", app.replica.id),
            GuestRoute::Terminal => format!("{RESUMES_TERMINAL}{random}"),
        };
        let hash = crypto::sha256_hex(&token);
        app.store
            .keep_console_ticket(&hash, ticket, until, app.now())
            .await?;
        Ok(Self { token, hash })
    }

    /// The console has closed: the ticket ends soon if the connection was lost, else now.
    pub async fn close(self, app: &App, lost: bool) {
        let end = app.now() + if lost { RESUME_SECONDS.into() } else { 0 };
        if let Err(error) = app.store.end_console_ticket(&self.hash, end).await {
            tracing::error!(%error, "the ticket of a console cannot be ended");
        }
    }
}
