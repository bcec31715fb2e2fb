//! How often one caller may use the free routes that cost us something: `FREE_CALLS_PER_MINUTE`, all at once or spread, by the
//! caller's address. Paid routes need no such limit: what they cost us, they cost the caller.

use api_types::ErrorCode;
use axum::{
    Extension, Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::Response,
};
use service::request_id::RequestId;

use crate::{App, client::ClientAddress, error::ApiError};

/// Counts every call of these routes; one too many is a 429 with `Retry-After`.
pub fn per_caller(routes: Router<App>, app: &App) -> Router<App> {
    routes.layer(middleware::from_fn_with_state(app.clone(), count))
}

async fn count(
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    ClientAddress(client): ClientAddress,
    request: Request,
    next: Next,
) -> Response {
    let Some(Err(wait)) = client.map(|client| app.free_calls.count(client)) else {
        return next.run(request).await;
    };
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let message = "Too many requests from your address; wait a moment.";
    ApiError::new(ErrorCode::RateLimited, message)
        .retry_after(seconds.max(1))
        .respond(&id)
}
