//! `POST /demo/faucet`: play money, where the facilitator is the demo's. Elsewhere the route does not exist.

use api_types::{ErrorCode, FieldError};
use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    response::{IntoResponse, Response},
    routing::post,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use service::request_id::RequestId;

use super::{not_found, unread};
use crate::{App, config::FacilitatorChoice, error::ApiError, paywall::body};

/// What an account has after a visit: 10 USDC.
const LEVEL: u64 = 10_000_000;

/// The route.
pub fn router() -> Router<App> {
    Router::new().route("/demo/faucet", post(faucet))
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FaucetRequest {
    address: String,
}

async fn faucet(
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let payments = &app.config.payments;
    if !matches!(payments.facilitator, FacilitatorChoice::Demo) {
        return not_found(Extension(id)).await;
    }
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return unread(&rejection, &id),
    };
    match fill(&app, &body).await {
        Ok(balance) => Json(json!({ "balance": balance.to_string() })).into_response(),
        Err(error) => error.respond(&id),
    }
}

async fn fill(app: &App, bytes: &[u8]) -> Result<u64, ApiError> {
    let request: FaucetRequest = body::read(bytes, |_| Ok(()))?;
    let address: alloy::primitives::Address = request.address.parse().map_err(|_| {
        let field = FieldError::new("address", "has to be 0x and 40 hexadecimal digits");
        ApiError::new(ErrorCode::InvalidRequest, "Some fields are not acceptable.")
            .with_field(field)
    })?;
    let network = app.config.payments.network;
    let asset = network.usdc.address.to_string();
    Ok(app
        .store
        .demo_faucet(network.caip2, &asset, &address.to_string(), LEVEL)
        .await?)
}
