//! The rate limit of the free routes that cost us work, `FREE_CALLS_PER_MINUTE`, by the caller's
//! address. Paid routes need none, because the caller pays for the work.

use api_types::ErrorCode;
use axum::{
    Extension, Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::Response,
};
use service::request_id::RequestId;

use crate::{App, client::ClientAddress, error::ApiError};

/// Applies the limit to these routes; a request above it is answered 429 with `Retry-After`.
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
