//! OpenAPI documents, written from the types that the routes use.
//!
//! A service describes each route by an [`Endpoint`]. [`describe`] makes the paths and components
//! of them; the service writes the rest of its document around these and may [`narrow`] schemas by
//! its configuration.

mod describe;
mod endpoint;
mod schemas;

pub use describe::{OpenApiParts, describe};
pub use endpoint::{Content, DocumentedResponse, Endpoint, RequestBody};
pub use schemas::{OpenApiVersion, narrow, references};
