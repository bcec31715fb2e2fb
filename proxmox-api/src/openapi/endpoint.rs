//! What is said of one route.

use api_types::ErrorCode;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Value, json};

use crate::payment::PaymentFlow;

/// A container's number in a path.
pub(super) const CTID: &str = "The container's number.";
/// What is answered about a container in the path.
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

/// Who may use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Everybody.
    Open,
    /// Everybody, and those with a session get more.
    Session {
        /// Those without one get nothing.
        required: bool,
    },
    /// Whoever pays.
    Paid(PaymentFlow),
}

/// A body, in one direction.
pub struct Content {
    pub(super) media: &'static str,
    pub(super) schema: Described,
    pub(super) example: Option<Value>,
}

/// A schema of a type, or one of its own.
pub(super) enum Described {
    Type(fn(&mut SchemaGenerator) -> Schema),
    Plain(Value),
}

/// An answer that is no error.
pub(super) struct Answer {
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
    pub(super) access: Access,
    pub(super) parameters: Vec<Value>,
    pub(super) request: Option<Content>,
    pub(super) answers: Vec<Answer>,
    pub(super) errors: Vec<ErrorCode>,
}

impl Content {
    /// JSON of this type, with this example.
    pub fn json<T: JsonSchema + Serialize>(example: &T) -> Self {
        Self {
            media: "application/json",
            schema: Described::Type(SchemaGenerator::subschema_for::<T>),
            example: Some(json!(example)),
        }
    }
}

impl Endpoint {
    /// A route that everybody may use.
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
            access: Access::Open,
            parameters: Vec::new(),
            request: None,
            answers: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// More about it.
    pub(super) fn details(self, details: &'static str) -> Self {
        Self { details, ..self }
    }

    /// Only with a session.
    pub(super) fn with_session(self) -> Self {
        let access = Access::Session { required: true };
        Self { access, ..self }.refuses(&[ErrorCode::Unauthorized, ErrorCode::Unavailable])
    }

    /// More with a session.
    pub(super) fn better_with_session(self) -> Self {
        let access = Access::Session { required: false };
        Self { access, ..self }
    }

    /// Counted by caller.
    pub(super) fn limited(self) -> Self {
        self.refuses(&[ErrorCode::RateLimited])
    }

    /// A part of the path.
    pub(super) fn in_path(self, name: &str, schema: Value, what: &str) -> Self {
        self.parameter("path", name, schema, what, true)
    }

    /// A part of the query, which may be absent.
    pub(super) fn in_query(self, name: &str, schema: Value, what: &str) -> Self {
        self.parameter("query", name, schema, what, false)
            .refuses(&[ErrorCode::InvalidRequest])
    }

    /// A part of the query, which has to be there.
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

    /// Takes a JSON body.
    pub(super) fn takes<T: JsonSchema + Serialize>(self, example: &T) -> Self {
        self.takes_content(Content::json(example))
    }

    /// The same, with a body that is described already.
    pub(super) fn takes_content(self, content: Content) -> Self {
        let request = Some(content);
        Self { request, ..self }.refuses(&[
            ErrorCode::InvalidRequest,
            ErrorCode::MalformedBody,
            ErrorCode::BodyTooLarge,
        ])
    }

    /// Answers a JSON body.
    pub(super) fn answers<T: JsonSchema + Serialize>(
        mut self,
        status: u16,
        what: &'static str,
        example: &T,
    ) -> Self {
        let content = Some(Content::json(example));
        self.answers.push(Answer {
            status,
            what,
            content,
        });
        self
    }

    /// Answers something that no type of the contract describes.
    pub(super) fn answers_plain(
        mut self,
        status: u16,
        what: &'static str,
        media: &'static str,
        schema: Value,
    ) -> Self {
        let content = Some(Content {
            media,
            schema: Described::Plain(schema),
            example: None,
        });
        self.answers.push(Answer {
            status,
            what,
            content,
        });
        self
    }

    /// Answers without a body.
    pub(super) fn answers_nothing(mut self, status: u16, what: &'static str) -> Self {
        self.answers.push(Answer {
            status,
            what,
            content: None,
        });
        self
    }

    /// May refuse with these codes.
    pub(super) fn refuses(mut self, codes: &[ErrorCode]) -> Self {
        for code in codes {
            if !self.errors.contains(code) {
                self.errors.push(*code);
            }
        }
        self
    }
}
