//! `/lease/{lease}/commands`: the background commands of a lease's container, for its owner. They
//! are begun by `POST /management/exec/{ctid}` with `background`.

use std::time::Duration;

use ::guest::Guest;
use api_types::{CommandList, CommandOutput, CommandSignal, CommandView, commands::LONGEST_WAIT};
use axum::{
    Extension, Router,
    extract::{Path, State},
    response::Response,
    routing::get,
};
use serde::Deserialize;
use service::request_id::RequestId;
use tokio::time::{Instant, sleep};

use super::{Query, lease_selector, limited, private};
use crate::{
    App,
    error::ApiError,
    ids::Wallet,
    lease::{
        guest::{
            background::{self, OutputRange},
            connect,
        },
        owner::access::active,
    },
    sessions::WalletSession,
    store::Lease,
};

/// Pauses between two looks at a command that is waited for.
const LOOK_FIRST: Duration = Duration::from_millis(100);
const LOOK_MOST: Duration = Duration::from_secs(1);

/// The routes.
pub fn router(app: &App) -> Router<App> {
    let routes = Router::new()
        .route("/lease/{lease}/commands", get(list))
        .route("/lease/{lease}/commands/{id}", get(show).delete(signal));
    limited::per_caller(routes, app)
}

/// From where on output is wanted, and how long to wait for it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OutputQuery {
    #[serde(default)]
    stdout_offset: u64,
    #[serde(default)]
    stderr_offset: u64,
    #[serde(default)]
    wait_seconds: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignalQuery {
    #[serde(default)]
    signal: CommandSignal,
}

async fn list(
    session: WalletSession,
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    Path(lease): Path<String>,
) -> Response {
    let listed = async {
        let guest = guest_of(&app, &session.wallet, &lease).await?;
        let commands = background::list(&guest).await?;
        Ok::<_, ApiError>(CommandList { commands })
    };
    private(&id, listed.await)
}

async fn show(
    session: WalletSession,
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    Path((lease, command)): Path<(String, String)>,
    Query(query): Query<OutputQuery>,
) -> Response {
    let wallet = &session.wallet;
    let shown = wait_and_show(&app, wallet, (&lease, &command), query);
    private(&id, shown.await)
}

/// Waits for output or the command's end, for as long as the query says. The lease is read before
/// each look: it may end, and its container have another address, meanwhile.
async fn wait_and_show(
    app: &App,
    wallet: &Wallet,
    (lease, command): (&str, &str),
    query: OutputQuery,
) -> Result<CommandOutput, ApiError> {
    let range = OutputRange {
        stdout: query.stdout_offset,
        stderr: query.stderr_offset,
    };
    let until = Instant::now() + Duration::from_secs(query.wait_seconds.min(LONGEST_WAIT));
    let mut pause = LOOK_FIRST;
    loop {
        let guest = guest_of(app, wallet, lease).await?;
        let left = until.saturating_duration_since(Instant::now());
        let shown = background::show(&guest, command, range, left.is_zero());
        if let Some(output) = shown.await? {
            return Ok(output);
        }
        sleep(pause.min(left)).await;
        pause = (pause * 2).min(LOOK_MOST);
    }
}

async fn signal(
    session: WalletSession,
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    Path((lease, command)): Path<(String, String)>,
    Query(query): Query<SignalQuery>,
) -> Response {
    let signalled = async {
        let guest = guest_of(&app, &session.wallet, &lease).await?;
        background::signal(&guest, &command, query.signal).await
    };
    private::<CommandView>(&id, signalled.await)
}

async fn guest_of(app: &App, wallet: &Wallet, lease: &str) -> Result<Guest, ApiError> {
    let lease = active_lease(app, wallet, lease).await?;
    connect::ssh_only(app, &lease).await
}

/// The lease in the path, for its owner while the paid time runs.
pub(super) async fn active_lease(
    app: &App,
    wallet: &Wallet,
    lease: &str,
) -> Result<Lease, ApiError> {
    let lease = lease_selector::find_by_id_or_vmid(app, wallet, lease).await?;
    active(app, &lease.lease_id, wallet).await
}
