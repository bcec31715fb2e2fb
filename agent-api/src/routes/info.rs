//! `GET /info`: the service and its model.

use api_types::AgentInfo;
use axum::{Json, Router, extract::State, routing::get};

use crate::App;

/// The route.
pub fn router() -> Router<App> {
    Router::new().route("/info", get(info))
}

async fn info(State(app): State<App>) -> Json<AgentInfo> {
    Json(app.model.info())
}
