//! The description of one route.

use api_types::ErrorCode;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Value, json};

use crate::payment::PaymentFlow;

/// A container's number in a path.
pub(super) const CTID: &str = "The container's number.";
/// Error codes of routes with a container in the path.
pub(super) const ABOUT_LEASE: &[ErrorCode] = &[
    ErrorCode::Forbidden,
    ErrorCode::LeaseNotFound,
    ErrorCode::LeaseConflict,
    ErrorCode::LeaseEnded,
];

/// The schema of a container's number.
pub(super) fn ctid() -> Value {
    json!({"type": "integer", "minimum": 100, "maximum": 999_999_999})
}

/// What a request to a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RouteAccess {
    /// Nothing.
    Open,
    /// A session, or nothing for a part of the response.
    Session {
        /// A request without a session is refused.
        required: bool,
    },
    /// A payment.
    Paid(PaymentFlow),
}

/// A body, in one direction.
pub struct Content {
    pub(super) media: &'static str,
    pub(super) schema: BodySchema,
    pub(super) example: Option<Value>,
}

/// A schema of a type, or one written as JSON.
pub(super) enum BodySchema {
    Type(fn(&mut SchemaGenerator) -> Schema),
    Plain(Value),
}

/// A response that is no error.
pub(super) struct DocumentedResponse {
    pub(super) status: u16,
    pub(super) what: &'static str,
    pub(super) content: Option<Content>,
}

/// A route.
pub(super) struct Endpoint {
    pub(super) method: String,
    pub(super) path: &'static str,
    pub(super) id: &'static str,
    pub(super) tag: &'static str,
    pub(super) summary: &'static str,
    pub(super) details: &'static str,
    pub(super) access: RouteAccess,
    pub(super) parameters: Vec<Value>,
    pub(super) request: Option<Content>,
    pub(super) responses: Vec<DocumentedResponse>,
    pub(super) errors: Vec<ErrorCode>,
}

impl Content {
    /// JSON of this type, with this example.
    pub fn json<T: JsonSchema + Serialize>(example: &T) -> Self {
        Self {
            media: "application/json",
            schema: BodySchema::Type(SchemaGenerator::subschema_for::<T>),
            example: Some(json!(example)),
        }
    }
}

impl Endpoint {
    /// A route that needs neither a session nor a payment.
    pub(super) fn new(
        method: &str,
        path: &'static str,
        tag: &'static str,
        id: &'static str,
        summary: &'static str,
    ) -> Self {
        Self {
            method: method.to_ascii_lowercase(),
            path,
            id,
            tag,
            summary,
            details: "",
            access: RouteAccess::Open,
            parameters: Vec::new(),
            request: None,
            responses: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// Adds a description.
    pub(super) fn details(self, details: &'static str) -> Self {
        Self { details, ..self }
    }

    /// The route needs a session.
    pub(super) fn with_session(self) -> Self {
        let access = RouteAccess::Session { required: true };
        Self { access, ..self }.refuses(&[ErrorCode::Unauthorized, ErrorCode::Unavailable])
    }

    /// The route gives more with a session.
    pub(super) fn better_with_session(self) -> Self {
        let access = RouteAccess::Session { required: false };
        Self { access, ..self }
    }

    /// The route has a rate limit for each client.
    pub(super) fn limited(self) -> Self {
        self.refuses(&[ErrorCode::RateLimited])
    }

    /// Adds a parameter of the path.
    pub(super) fn in_path(self, name: &str, schema: Value, what: &str) -> Self {
        self.parameter("path", name, schema, what, true)
    }

    /// Adds an optional parameter of the query.
    pub(super) fn in_query(self, name: &str, schema: Value, what: &str) -> Self {
        self.parameter("query", name, schema, what, false)
            .refuses(&[ErrorCode::InvalidRequest])
    }

    /// Adds a required parameter of the query.
    pub(super) fn needs_query(self, name: &str, schema: Value, what: &str) -> Self {
        self.parameter("query", name, schema, what, true)
            .refuses(&[ErrorCode::InvalidRequest])
    }

    fn parameter(mut self, place: &str, name: &str, schema: Value, what: &str, must: bool) -> Self {
        self.parameters.push(json!({
            "in": place, "name": name, "required": must, "schema": schema, "description": what,
        }));
        self
    }

    /// The route takes a JSON body.
    pub(super) fn takes<T: JsonSchema + Serialize>(self, example: &T) -> Self {
        self.takes_content(Content::json(example))
    }

    /// The route takes this body.
    pub(super) fn takes_content(self, content: Content) -> Self {
        let request = Some(content);
        Self { request, ..self }.refuses(&[
            ErrorCode::InvalidRequest,
            ErrorCode::MalformedBody,
            ErrorCode::BodyTooLarge,
        ])
    }

    /// The route responds with a JSON body.
    pub(super) fn responds<T: JsonSchema + Serialize>(
        mut self,
        status: u16,
        what: &'static str,
        example: &T,
    ) -> Self {
        let content = Some(Content::json(example));
        self.responses.push(DocumentedResponse {
            status,
            what,
            content,
        });
        self
    }

    /// The route responds with a body that no type of the contract describes.
    pub(super) fn responds_plain(
        mut self,
        status: u16,
        what: &'static str,
        media: &'static str,
        schema: Value,
    ) -> Self {
        let content = Some(Content {
            media,
            schema: BodySchema::Plain(schema),
            example: None,
        });
        self.responses.push(DocumentedResponse {
            status,
            what,
            content,
        });
        self
    }

    /// The route responds without a body.
    pub(super) fn responds_nothing(mut self, status: u16, what: &'static str) -> Self {
        self.responses.push(DocumentedResponse {
            status,
            what,
            content: None,
        });
        self
    }

    /// The route may refuse with these codes.
    pub(super) fn refuses(mut self, codes: &[ErrorCode]) -> Self {
        for code in codes {
            if !self.errors.contains(code) {
                self.errors.push(*code);
            }
        }
        self
    }
}
