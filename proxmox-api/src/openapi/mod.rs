//! The OpenAPI document of this service. `endpoints` says of every route what it takes and answers, in the types that the
//! routes themselves use, with `examples` that are values of those types; `document` writes it down; `limits` puts the
//! operator's bounds into it; `payment` describes the 402 of both protocol versions.

mod document;
mod endpoint;
mod endpoints;
mod examples;
mod guest;
mod limits;
mod payment;

use serde_json::Value;

use crate::config::Config;

/// The document of a service with this configuration.
pub fn document(config: &Config) -> Value {
    document::write(&endpoints::all(), config)
}
