//! The OpenAPI document of this service. `endpoints` describes the free routes in the types that
//! the routes themselves use, with `examples` that are values of those types. `paid` is what a paid
//! operation adds beside its code. `service::openapi` describes the routes, `document` writes the
//! whole, `limits` puts the operator's limits into it, and `payment` describes the 402 of both
//! protocol versions.

mod credit;
mod document;
mod endpoints;
mod entrances;
pub(crate) mod examples;
mod guest;
mod inside;
mod limits;
mod paid;
mod payment;
mod route_parts;

use serde_json::Value;

use crate::{config::Config, payment::OperationInfo};
pub use paid::{ABOUT_TERMINAL, Documentation, Documented};
pub use service::openapi::Content;

/// The document of a service with this configuration that sells these operations.
pub fn document(
    config: &Config,
    sold: impl Iterator<Item = (&'static OperationInfo, Documentation)>,
) -> Value {
    let has_credit = config.credit.is_some();
    let paid = sold.map(|(about, documentation)| paid::endpoint(about, documentation, has_credit));
    let mut all: Vec<_> = paid.chain(endpoints::free()).collect();
    if has_credit {
        all.extend(credit::endpoints());
    }
    document::write(&all, config)
}
