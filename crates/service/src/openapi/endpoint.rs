//! The description of one route.

use api_types::{ErrorCode, ErrorEnvelope};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// The status that stands for all responses which are not listed.
pub(super) const DEFAULT: &str = "default";

/// A body of one media type.
pub struct Content {
    pub(super) media: &'static str,
    pub(super) schema: BodySchema,
    pub(super) example: Option<Value>,
}

/// The schema of a type, or one written as JSON.
pub(super) enum BodySchema {
    Type(fn(&mut SchemaGenerator) -> Schema),
    Plain(Value),
}

/// The body of a request.
pub struct RequestBody {
    pub(super) content: Content,
    pub(super) required: bool,
}

/// A response with one status.
pub struct DocumentedResponse {
    pub(super) status: String,
    pub(super) description: &'static str,
    pub(super) contents: Vec<Content>,
    pub(super) headers: Option<Value>,
}

/// A route.
pub struct Endpoint {
    pub(super) method: String,
    pub(super) path: &'static str,
    pub(super) operation: Map<String, Value>,
    pub(super) parameters: Vec<Value>,
    pub(super) request: Option<RequestBody>,
    pub(super) responses: Vec<DocumentedResponse>,
    pub(super) errors: Vec<ErrorCode>,
}

impl Content {
    /// JSON of this type.
    pub fn of_type<T: JsonSchema>() -> Self {
        Self::of_media_type::<T>("application/json")
    }

    /// This type, in another media type.
    pub fn of_media_type<T: JsonSchema>(media: &'static str) -> Self {
        Self {
            media,
            schema: BodySchema::Type(SchemaGenerator::subschema_for::<T>),
            example: None,
        }
    }

    /// JSON of this type, with this example.
    pub fn json<T: JsonSchema + Serialize>(example: &T) -> Self {
        Self::of_type::<T>().with_example(json!(example))
    }

    /// A body that no type describes.
    pub fn plain(media: &'static str, schema: Value) -> Self {
        Self {
            media,
            schema: BodySchema::Plain(schema),
            example: None,
        }
    }

    /// Adds an example.
    #[must_use]
    pub fn with_example(self, example: Value) -> Self {
        let example = Some(example);
        Self { example, ..self }
    }
}

impl DocumentedResponse {
    /// A response without a body.
    pub fn new(status: u16, description: &'static str) -> Self {
        Self {
            status: status.to_string(),
            description,
            contents: Vec::new(),
            headers: None,
        }
    }

    /// Adds a body. Several are alternatives of different media types.
    #[must_use]
    pub fn with_content(mut self, content: Content) -> Self {
        self.contents.push(content);
        self
    }

    /// Adds headers.
    #[must_use]
    pub fn with_headers(self, headers: Value) -> Self {
        let headers = Some(headers);
        Self { headers, ..self }
    }
}

impl Endpoint {
    /// A route with this summary.
    pub fn new(method: &str, path: &'static str, summary: &'static str) -> Self {
        Self {
            method: method.to_ascii_lowercase(),
            path,
            operation: Map::from_iter([("summary".to_owned(), summary.into())]),
            parameters: Vec::new(),
            request: None,
            responses: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// Adds the section of the document, and the id of which generated clients make a function's
    /// name.
    #[must_use]
    pub fn named(self, tag: &str, id: &str) -> Self {
        self.member("tags", json!([tag]))
            .member("operationId", id.into())
    }

    /// Adds a description, unless it is empty.
    #[must_use]
    pub fn details(self, details: &str) -> Self {
        if details.is_empty() {
            return self;
        }
        self.member("description", details.into())
    }

    /// Adds a member to the operation's object, for example its `security`.
    #[must_use]
    pub fn member(mut self, name: &str, value: Value) -> Self {
        self.operation.insert(name.to_owned(), value);
        self
    }

    /// The route has a rate limit for each client.
    #[must_use]
    pub fn limited(self) -> Self {
        self.refuses(&[ErrorCode::RateLimited])
    }

    /// Adds a parameter of the path.
    #[must_use]
    pub fn in_path(self, name: &str, schema: Value, description: &str) -> Self {
        self.parameter("path", name, schema, description, true)
    }

    /// Adds an optional parameter of the query.
    #[must_use]
    pub fn in_query(self, name: &str, schema: Value, description: &str) -> Self {
        self.parameter("query", name, schema, description, false)
            .refuses(&[ErrorCode::InvalidRequest])
    }

    /// Adds a required parameter of the query.
    #[must_use]
    pub fn needs_query(self, name: &str, schema: Value, description: &str) -> Self {
        self.parameter("query", name, schema, description, true)
            .refuses(&[ErrorCode::InvalidRequest])
    }

    fn parameter(
        self,
        location: &str,
        name: &str,
        schema: Value,
        description: &str,
        required: bool,
    ) -> Self {
        self.with_parameters([json!({
            "in": location, "name": name, "required": required, "schema": schema,
            "description": description,
        })])
    }

    /// Adds parameters that are written as JSON.
    #[must_use]
    pub fn with_parameters(mut self, parameters: impl IntoIterator<Item = Value>) -> Self {
        self.parameters.extend(parameters);
        self
    }

    /// The route takes a JSON body.
    #[must_use]
    pub fn takes<T: JsonSchema + Serialize>(self, example: &T) -> Self {
        self.takes_content(Content::json(example))
    }

    /// The route takes this body.
    #[must_use]
    pub fn takes_content(self, content: Content) -> Self {
        let request = Some(RequestBody {
            content,
            required: true,
        });
        Self { request, ..self }.refuses(&[
            ErrorCode::InvalidRequest,
            ErrorCode::MalformedBody,
            ErrorCode::BodyTooLarge,
        ])
    }

    /// A request without a body is accepted as well.
    #[must_use]
    pub fn body_may_be_absent(mut self) -> Self {
        if let Some(request) = &mut self.request {
            request.required = false;
        }
        self
    }

    /// The route responds with a JSON body.
    #[must_use]
    pub fn responds<T: JsonSchema + Serialize>(
        self,
        status: u16,
        description: &'static str,
        example: &T,
    ) -> Self {
        let response = DocumentedResponse::new(status, description);
        self.responds_as(response.with_content(Content::json(example)))
    }

    /// The route responds with a body that no type describes.
    #[must_use]
    pub fn responds_plain(
        self,
        status: u16,
        description: &'static str,
        media: &'static str,
        schema: Value,
    ) -> Self {
        let response = DocumentedResponse::new(status, description);
        self.responds_as(response.with_content(Content::plain(media, schema)))
    }

    /// The route responds without a described body.
    #[must_use]
    pub fn responds_nothing(self, status: u16, description: &'static str) -> Self {
        self.responds_as(DocumentedResponse::new(status, description))
    }

    /// Adds a response.
    #[must_use]
    pub fn responds_as(mut self, response: DocumentedResponse) -> Self {
        self.responses.push(response);
        self
    }

    /// Every other response is an error with this description. The error codes of the route are
    /// then not listed one by one.
    #[must_use]
    pub fn otherwise_fails(self, description: &'static str) -> Self {
        self.responds_as(DocumentedResponse {
            status: DEFAULT.to_owned(),
            description,
            contents: vec![Content::of_type::<ErrorEnvelope>()],
            headers: None,
        })
    }

    /// The route may refuse with these codes.
    #[must_use]
    pub fn refuses(mut self, codes: &[ErrorCode]) -> Self {
        for code in codes {
            if !self.errors.contains(code) {
                self.errors.push(*code);
            }
        }
        self
    }
}
