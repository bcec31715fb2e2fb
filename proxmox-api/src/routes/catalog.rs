//! `GET /catalog`: limits, rates, and how to pay.

use api_types::Catalog;
use axum::{Json, Router, extract::State, routing::get};

use crate::App;

/// The route.
pub fn router() -> Router<App> {
    Router::new().route("/catalog", get(catalog))
}

async fn catalog(State(app): State<App>) -> Json<Catalog> {
    let config = &app.config;
    Json(Catalog {
        limits: config.limits.clone(),
        rates: config.tariff.clone(),
        templates: Vec::new(),
        network: config.network.caip2.to_owned(),
        asset: config.network.usdc.address.to_checksum(None),
        pay_to: config.pay_to.to_checksum(None),
        capacity_left: None,
        grace_minutes: config.grace_minutes,
        simulated: Vec::new(),
    })
}
