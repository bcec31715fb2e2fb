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
    paywall::body,
    proxmox::{NOT_ON_OFFER, Template},
    tariffs::MAX_TIMEOUT_SECONDS,
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
    let template = match wanted_template(&app, request.template.as_deref()).await {
        Ok(Some(template)) => Ok(template),
        Ok(None) if request.template.is_some() => {
            if field_errors.is_empty() {
                field_errors.push(FieldError::new("template", NOT_ON_OFFER));
            }
            Err(ErrorCode::InvalidRequest)
        }
        Ok(None) => Err(ErrorCode::Unavailable),
        Err(error) => Err(error.code),
    };
    let priced = price::price_lease(app.tariff(), request.size(), request.runtime_minutes);
    let Ok(price) = priced else {
        return ApiError::invalid(field_errors).respond(&id);
    };
    let minutes = request.runtime_minutes.into();
    let refusals = refusals(&app, &request, field_errors.is_empty(), template).await;
    let network = app.config.payments.network;
    Json(QuoteResponse {
        acceptable: field_errors.is_empty() && refusals.is_empty(),
        price: Some(price),
        network: network.caip2.to_owned(),
        asset: network.usdc.address.to_checksum(None),
        valid_until: Timestamp(app.clock.unix_seconds() + MAX_TIMEOUT_SECONDS),
        included_traffic: app.config.tenants.included_traffic(minutes),
        field_errors,
        refusals,
    })
    .into_response()
}

/// The template that is asked for, or the default.
async fn wanted_template(app: &App, wanted: Option<&str>) -> Result<Option<Template>, ApiError> {
    let mut templates = app.proxmox.templates().await?.into_iter();
    Ok(match wanted {
        Some(wanted) => templates.find(|template| template.is_called(wanted)),
        None => templates.next(),
    })
}

/// What stands against it beside its fields.
async fn refusals(
    app: &App,
    request: &LeaseRequest,
    fields_fit: bool,
    template: Result<Template, ErrorCode>,
) -> Vec<ErrorCode> {
    if !fields_fit {
        return vec![ErrorCode::InvalidRequest];
    }
    let volume = match template {
        Ok(template) => template.volume,
        Err(code) => return vec![code],
    };
    match app.proxmox.pick_node(request.size(), &volume, &[]).await {
        Ok(_) => Vec::new(),
        Err(error) => vec![error.code],
    }
}
