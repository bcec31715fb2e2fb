//! `GET /catalog`: limits, rates, and how to pay.

use std::sync::Arc;

use api_types::Catalog;
use axum::{Json, Router, extract::State, routing::get};

use crate::config::Config;

/// The route.
pub fn router() -> Router<Arc<Config>> {
    Router::new().route("/catalog", get(catalog))
}

async fn catalog(State(config): State<Arc<Config>>) -> Json<Catalog> {
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
