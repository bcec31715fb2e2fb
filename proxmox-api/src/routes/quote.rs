//! `POST /lease/quote`: what a lease would cost, with line items, and what would be refused.

use api_types::{ErrorCode, FieldError, LeaseRequest, QuoteResponse, Timestamp, price};
use axum::{
    Extension, Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::post,
};
use service::request_id::RequestId;

use super::{Body, limited};
use crate::{
    App,
    error::ApiError,
    paywall::{MAX_TIMEOUT_SECONDS, body},
    proxmox::NOT_ON_OFFER,
};

/// The route.
pub fn router(app: &App) -> Router<App> {
    limited::per_caller(Router::new().route("/lease/quote", post(quote)), app)
}

/// An absent body is the default lease, so that a probe learns a price.
async fn quote(
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    Body(bytes): Body,
) -> Response {
    let limits = &app.config.limits;
    // Fields out of range are the quote's to tell; a body that cannot be read is refused.
    let request: LeaseRequest = match body::read(&bytes, |_| Ok(())) {
        Ok(request) => request,
        Err(error) => return error.respond(&id),
    };
    let mut field_errors = limits.validate_lease(&request).err().unwrap_or_default();
    if field_errors.is_empty() && !is_on_offer(&app, request.template.as_deref()).await {
        field_errors.push(FieldError::new("template", NOT_ON_OFFER));
    }
    let priced = price::price_lease(app.tariff(), request.size(), request.runtime_minutes);
    let Ok(price) = priced else {
        return ApiError::invalid(field_errors).respond(&id);
    };
    let refusals = refusals(&app, &request, field_errors.is_empty()).await;
    let network = app.config.payments.network;
    Json(QuoteResponse {
        acceptable: field_errors.is_empty() && refusals.is_empty(),
        price: Some(price),
        network: network.caip2.to_owned(),
        asset: network.usdc.address.to_checksum(None),
        valid_until: Timestamp(app.clock.unix_seconds() + MAX_TIMEOUT_SECONDS),
        field_errors,
        refusals,
    })
    .into_response()
}

/// A Proxmox that cannot say what is on offer stands against nothing here.
async fn is_on_offer(app: &App, template: Option<&str>) -> bool {
    let Some(wanted) = template else {
        return true;
    };
    match app.proxmox.templates().await {
        Ok(templates) => templates.iter().any(|found| found.is_called(wanted)),
        Err(_) => true,
    }
}

/// What stands against it beside its fields.
async fn refusals(app: &App, request: &LeaseRequest, fields_fit: bool) -> Vec<ErrorCode> {
    if !fields_fit {
        return vec![ErrorCode::InvalidRequest];
    }
    match app.proxmox.place(request.size(), &[]).await {
        Ok(_) => Vec::new(),
        Err(error) => vec![error.code],
    }
}
