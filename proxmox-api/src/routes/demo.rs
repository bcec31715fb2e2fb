//! `POST /demo/faucet`, `GET /demo/balance`: play money, where the facilitator is the demo's.
//! Elsewhere the routes do not exist.

use alloy::primitives::Address;
use api_types::{FaucetRequest, FaucetResponse, Usdc};
use axum::{
    Extension, Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use service::request_id::RequestId;

use super::{Body, Query, limited, not_found, private, session::address};
use crate::{App, config::FacilitatorChoice, error::ApiError, ids::Wallet, paywall::body};

/// What an account has after a visit: 10 USDC.
const LEVEL: u64 = 10_000_000;

/// The routes.
pub fn router(app: &App) -> Router<App> {
    let routes = Router::new()
        .route("/demo/faucet", post(faucet))
        .route("/demo/balance", get(balance));
    limited::per_caller(routes, app)
}

async fn faucet(
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    Body(body): Body,
) -> Response {
    if !is_demo(&app) {
        return not_found(Extension(id)).await;
    }
    private(&id, fill(&app, &body).await)
}

async fn balance(
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    Query(request): Query<FaucetRequest>,
) -> Response {
    if !is_demo(&app) {
        return not_found(Extension(id)).await;
    }
    private(&id, read_balance(&app, &request).await)
}

fn is_demo(app: &App) -> bool {
    matches!(app.config.payments.facilitator, FacilitatorChoice::Demo)
}

async fn read_balance(app: &App, request: &FaucetRequest) -> Result<FaucetResponse, ApiError> {
    let (network, asset, account) = account(app, address(&request.address)?);
    let balance = app.store.demo_balance(network, asset, &account).await?;
    Ok(FaucetResponse {
        balance: Usdc(balance),
    })
}

/// The names of an account on the demo's ledger.
fn account(app: &App, address: Address) -> (&'static str, Address, Wallet) {
    let network = app.config.payments.network;
    (network.caip2, network.usdc.address, address.into())
}

async fn fill(app: &App, bytes: &[u8]) -> Result<FaucetResponse, ApiError> {
    let request: FaucetRequest = body::read(bytes, |_| Ok(()))?;
    let (network, asset, account) = account(app, address(&request.address)?);
    let balance = app
        .store
        .demo_faucet(network, asset, &account, LEVEL)
        .await?;
    Ok(FaucetResponse {
        balance: Usdc(balance),
    })
}
