//! The HTTP routes: one file per resource, each with its own `router()`. Free routes call `lease`,
//! `store` and `proxmox`; paid routes come from the registry of operations, behind `paywall::paid`.

pub mod access;
pub mod catalog;
pub mod commands;
pub mod console;
pub mod cors;
pub mod credit;
pub mod demo;
pub mod destroy;
pub mod discovery;
pub mod docs;
pub mod files;
pub mod keys;
mod lease_selector;
pub mod leases;
pub mod limited;
pub mod payments;
pub mod ports;
pub mod power;
pub mod quote;
pub mod replicas;
pub mod session;
pub mod ssh;
pub mod stats;
pub mod usage;

use api_types::ErrorCode;
use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request},
    http::{Extensions, HeaderMap, HeaderValue, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::{Serialize, de::DeserializeOwned};
use service::request_id::RequestId;

use crate::{App, error::ApiError, operations, paywall::body};

/// Every route of the API itself.
pub fn router(app: &App) -> Router<App> {
    let sold = operations::registry::sold(&app.config);
    let paid = sold.map(|operation| (operation.route)());
    paid.fold(Router::new(), Router::merge)
        .merge(access::router(app))
        .merge(catalog::router())
        .merge(commands::router(app))
        .merge(console::router(app))
        .merge(credit::router(app))
        .merge(demo::router(app))
        .merge(destroy::router())
        .merge(discovery::router(app))
        .merge(docs::router(app))
        .merge(files::router(app))
        .merge(keys::router(app))
        .merge(leases::router())
        .merge(payments::router())
        .merge(ports::router(app))
        .merge(power::router())
        .merge(quote::router(app))
        .merge(replicas::router(app))
        .merge(session::router(app))
        .merge(ssh::router(app))
        .merge(stats::router())
        .merge(usage::router(app))
}

/// A body within the size that is read.
pub(crate) struct Body(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let id = id_of(request.extensions());
        let read = Bytes::from_request(request, state).await;
        read.map(Self)
            .map_err(|rejection| body::unread(&rejection).respond(&id))
    }
}

/// A query whose every parameter is known and can be read.
pub(crate) struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Response> {
        match axum::extract::Query::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(_) => {
                let message = "The query has a parameter that is unknown or cannot be read.";
                let error = ApiError::new(ErrorCode::InvalidRequest, message);
                Err(error.respond(&id_of(&parts.extensions)))
            }
        }
    }
}

fn id_of(extensions: &Extensions) -> RequestId {
    let id = extensions.get::<RequestId>().cloned();
    id.unwrap_or_else(|| RequestId::from_headers(&HeaderMap::new()))
}

/// A response that no cache may store; or the error.
pub(crate) fn private<T: Serialize>(id: &RequestId, result: Result<T, ApiError>) -> Response {
    match result {
        Ok(body) => no_store(Json(body).into_response()),
        Err(error) => error.respond(id),
    }
}

/// The same answer, kept by no cache.
pub(crate) fn no_store(mut response: Response) -> Response {
    let value = HeaderValue::from_static("private, no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, value);
    response
}

/// A handler panicked; what it says is in the log.
pub(crate) fn failed(id: &RequestId) -> Response {
    ApiError::new(ErrorCode::Internal, "Something went wrong on our side.")
        .advise("report the requestId to the operator")
        .respond(id)
}

/// No such path.
pub(crate) async fn not_found(Extension(id): Extension<RequestId>) -> Response {
    let message = "There is no such path.";
    ApiError::new(ErrorCode::NotFound, message).respond(&id)
}

/// The path is there, for other methods; axum adds `Allow`.
pub(crate) async fn method_not_allowed(Extension(id): Extension<RequestId>) -> Response {
    let message = "This path does not take this method.";
    ApiError::new(ErrorCode::MethodNotAllowed, message).respond(&id)
}
