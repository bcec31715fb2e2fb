//! `POST /demo/faucet`: play money, where the facilitator is the demo's. Elsewhere the route does not exist.

use api_types::{FaucetRequest, FaucetResponse, Usdc};
use axum::{Extension, Router, extract::State, response::Response, routing::post};
use service::request_id::RequestId;

use super::{Body, limited, not_found, private, session::address};
use crate::{App, config::FacilitatorChoice, error::ApiError, paywall::body};

/// What an account has after a visit: 10 USDC.
const LEVEL: u64 = 10_000_000;

/// The route.
pub fn router(app: &App) -> Router<App> {
    limited::per_caller(Router::new().route("/demo/faucet", post(faucet)), app)
}

async fn faucet(
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    Body(body): Body,
) -> Response {
    let payments = &app.config.payments;
    if !matches!(payments.facilitator, FacilitatorChoice::Demo) {
        return not_found(Extension(id)).await;
    }
    private(&id, fill(&app, &body).await)
}

async fn fill(app: &App, bytes: &[u8]) -> Result<FaucetResponse, ApiError> {
    let request: FaucetRequest = body::read(bytes, |_| Ok(()))?;
    let address = address(&request.address)?;
    let network = app.config.payments.network;
    let asset = network.usdc.address.to_string();
    let balance = app
        .store
        .demo_faucet(network.caip2, &asset, &address.to_string(), LEVEL)
        .await?;
    Ok(FaucetResponse {
        balance: Usdc(balance),
    })
}
