//! The routes under `/lease` and `/management` that cost something.

use axum::Router;

use crate::{
    App,
    operations::{LeaseContainer, List, RenewLease},
    paywall::paid,
};

/// The routes.
pub fn router() -> Router<App> {
    Router::new()
        .route("/lease/container", paid::<LeaseContainer>())
        .route("/lease/{ctid}/renew", paid::<RenewLease>())
        .route("/management/list", paid::<List>())
}
