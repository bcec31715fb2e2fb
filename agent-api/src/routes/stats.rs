//! `GET /stats/node` and `GET /stats/lxc`: the lease API's responses, relayed with the caller's
//! wallet session.

use api_types::{ErrorCode, LxcStats, NodeStats};
use axum::{
    Extension, Json, Router,
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::{Serialize, de::DeserializeOwned};
use service::request_id::RequestId;

use super::admitted::Address;
use crate::{App, error::ApiError, lease_api::RequestContext};

/// The routes.
pub fn router() -> Router<App> {
    Router::new()
        .route("/stats/node", get(relay::<NodeStats>))
        .route("/stats/lxc", get(relay::<LxcStats>))
}

/// A type of response that is relayed from the lease API.
trait RelayedStats: Serialize + DeserializeOwned + Send + 'static {
    const PATH: &'static str;
}

impl RelayedStats for NodeStats {
    const PATH: &'static str = "/stats/node";
}

impl RelayedStats for LxcStats {
    const PATH: &'static str = "/stats/lxc";
}

/// Relays only the members that are in the contract.
async fn relay<T: RelayedStats>(
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    Address(address): Address,
    headers: HeaderMap,
) -> Response {
    let session = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let caller = RequestContext {
        id: id.as_str(),
        session,
        address: Some(address),
    };
    let answer = match app.lease_api.get(T::PATH, caller).await {
        Ok(answer) => answer,
        Err(error) => return ApiError::new(ErrorCode::Unavailable, error.to_string()).respond(&id),
    };
    let stats = answer
        .is_done()
        .then(|| serde_json::from_value::<T>(answer.body.clone()));
    if let Some(Ok(stats)) = stats {
        return Json(stats).into_response();
    }
    let unusable = || {
        ApiError::new(
            ErrorCode::Unavailable,
            "The lease API gave an answer that cannot be used.",
        )
    };
    answer
        .error()
        .map_or_else(unusable, ApiError::from)
        .respond(&id)
}
