//! `/lease/{lease}/ports`: the published ports of a lease's container, for its owner.

use api_types::{ErrorCode, FieldError, PortList, PortRequest, PortView, PortVisit};
use axum::{
    Extension, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::{get, post, put},
};
use service::request_id::RequestId;

use super::{Body, commands::active_lease, lease_selector, limited, no_store, private};
use crate::{App, error::ApiError, lease::ports, paywall::body, sessions::WalletSession};

/// The routes.
pub fn router(app: &App) -> Router<App> {
    let routes = Router::new()
        .route("/lease/{lease}/ports", get(list))
        .route("/lease/{lease}/ports/{port}", put(publish).delete(close))
        .route("/lease/{lease}/ports/{port}/visit", post(visit));
    limited::per_caller(routes, app)
}

async fn list(
    session: WalletSession,
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    Path(lease): Path<String>,
) -> Response {
    let listed = async {
        let found = lease_selector::find_by_id_or_vmid(&app, &session.wallet, &lease).await?;
        ports::list(&app, &found).await
    };
    private::<PortList>(&id, listed.await)
}

async fn publish(
    session: WalletSession,
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    Path((lease, port)): Path<(String, String)>,
    Body(bytes): Body,
) -> Response {
    let published = async {
        let port = checked_port(&port)?;
        let request: PortRequest = body::read(&bytes, |_| Ok(()))?;
        let lease = active_lease(&app, &session.wallet, &lease).await?;
        ports::publish(&app, &lease, port, request.access).await
    };
    private::<PortView>(&id, published.await)
}

async fn close(
    session: WalletSession,
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    Path((lease, port)): Path<(String, String)>,
) -> Response {
    let closed = async {
        let port = checked_port(&port)?;
        let found = lease_selector::find_by_id_or_vmid(&app, &session.wallet, &lease).await?;
        ports::close(&app, &found, port).await
    };
    match closed.await {
        Ok(()) => no_store(StatusCode::NO_CONTENT.into_response()),
        Err(error) => error.respond(&id),
    }
}

async fn visit(
    session: WalletSession,
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    Path((lease, port)): Path<(String, String)>,
) -> Response {
    let visit = async {
        let port = checked_port(&port)?;
        let lease = active_lease(&app, &session.wallet, &lease).await?;
        ports::visit(&app, &lease, port).await
    };
    private::<PortVisit>(&id, visit.await)
}

fn checked_port(text: &str) -> Result<u16, ApiError> {
    let port = text.parse().ok().filter(|port| *port > 0);
    port.ok_or_else(|| {
        let field = FieldError::new("port", "has to be a number from 1 to 65535");
        ApiError {
            fields: vec![field],
            ..ApiError::new(ErrorCode::InvalidRequest, "There is no such port.")
        }
    })
}
