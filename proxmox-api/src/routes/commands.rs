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
    let shown = async {
        let range = OutputRange {
            stdout: query.stdout_offset,
            stderr: query.stderr_offset,
            wait: Duration::from_secs(query.wait_seconds.min(LONGEST_WAIT)),
        };
        let connect = async || guest_of(&app, &session.wallet, &lease).await;
        background::show(connect, &command, range).await
    };
    private::<CommandOutput>(&id, shown.await)
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
