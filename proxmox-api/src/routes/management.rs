//! The paid routes to a container's inside: commands and consoles.

use axum::Router;

use crate::{
    App,
    operations::{Console, Exec},
    paywall::paid,
};

/// The routes.
pub fn router() -> Router<App> {
    paid::<Exec>().merge(paid::<Console>())
}
