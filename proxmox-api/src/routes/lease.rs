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
        .merge(paid::<LeaseContainer>())
        .merge(paid::<RenewLease>())
        .merge(paid::<List>())
}
