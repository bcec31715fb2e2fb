//! Writes the paths of endpoints and the components that they refer to.

use std::collections::BTreeMap;

use api_types::{ErrorCode, ErrorEnvelope};
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::endpoint::{BodySchema, Content, DEFAULT, DocumentedResponse, Endpoint};
use super::schemas::{OpenApiVersion, Schemas};

/// The parts of a document that follow from its endpoints.
pub struct OpenApiParts {
    /// The paths with their operations.
    pub paths: Map<String, Value>,
    /// Schemas of the types of bodies, for the components.
    pub schemas: Map<String, Value>,
    /// Error responses that endpoints share, for the components.
    pub responses: Map<String, Value>,
    /// Headers of these responses, for the components.
    pub headers: Map<String, Value>,
}

/// Describes these endpoints.
pub fn describe(version: OpenApiVersion, endpoints: &[Endpoint]) -> OpenApiParts {
    let mut writer = Writer {
        schemas: Schemas::new(version),
        meanings: meanings(),
        responses: Map::new(),
        headers: Map::new(),
    };
    let mut paths = Map::new();
    for endpoint in endpoints {
        let path = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        path[&endpoint.method] = writer.operation(endpoint);
    }
    OpenApiParts {
        paths,
        schemas: writer.schemas.definitions(),
        responses: writer.responses,
        headers: writer.headers,
    }
}

/// The documentation of each error code.
fn meanings() -> BTreeMap<String, String> {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let codes = generator.into_root_schema_for::<ErrorCode>().to_value();
    let listed = codes["oneOf"].as_array().into_iter().flatten();
    listed
        .filter_map(|code| {
            let meaning = code["description"].as_str()?;
            Some((code["const"].as_str()?.to_owned(), meaning.to_owned()))
        })
        .collect()
}

struct Writer {
    schemas: Schemas,
    meanings: BTreeMap<String, String>,
    responses: Map<String, Value>,
    headers: Map<String, Value>,
}

impl Writer {
    fn operation(&mut self, endpoint: &Endpoint) -> Value {
        let mut operation = endpoint.operation.clone();
        operation.insert("responses".to_owned(), self.all_responses(endpoint));
        if !endpoint.parameters.is_empty() {
            operation.insert("parameters".to_owned(), endpoint.parameters.clone().into());
        }
        if let Some(request) = &endpoint.request {
            let content = contents([&request.content], self.schemas.requests());
            let body = json!({ "required": request.required, "content": content });
            operation.insert("requestBody".to_owned(), body);
        }
        operation.into()
    }

    fn all_responses(&mut self, endpoint: &Endpoint) -> Value {
        let mut all = Map::new();
        for response in &endpoint.responses {
            all.insert(response.status.clone(), self.response(response));
        }
        if all.contains_key(DEFAULT) {
            return all.into();
        }
        let mut by_status: BTreeMap<u16, Vec<ErrorCode>> = BTreeMap::new();
        for code in &endpoint.errors {
            by_status.entry(code.status()).or_default().push(*code);
        }
        for (status, codes) in by_status {
            let reference = self.refusal(&codes);
            all.entry(status.to_string()).or_insert(reference);
        }
        all.into()
    }

    fn response(&mut self, response: &DocumentedResponse) -> Value {
        let mut written = json!({ "description": response.description });
        if !response.contents.is_empty() {
            written["content"] = contents(&response.contents, self.schemas.responses());
        }
        if let Some(headers) = &response.headers {
            written["headers"] = headers.clone();
        }
        written
    }

    /// A reference to the response with one of these codes, which all have the same status.
    fn refusal(&mut self, codes: &[ErrorCode]) -> Value {
        let names: Vec<_> = codes.iter().map(|code| code.as_str()).collect();
        let name = names.join("-");
        let reference = json!({ "$ref": format!("#/components/responses/{name}") });
        if self.responses.contains_key(&name) {
            return reference;
        }
        let meaning = |name: &str| self.meanings.get(name).map_or("", String::as_str);
        let lines: Vec<_> = names
            .iter()
            .map(|name| format!("`{name}`: {}", meaning(name)))
            .collect();
        let example = ErrorEnvelope::new(codes[0], meaning(names[0]).to_owned(), "7c0f3a52");
        let mut written = json!({
            "description": lines.join("\n\n"),
            "content": {"application/json": {
                "schema": {
                    "allOf": [{"$ref": "#/components/schemas/ErrorEnvelope"}],
                    "properties": {"error": {"properties": {"code": {"enum": names}}}},
                },
                "example": example,
            }},
        });
        if codes.iter().any(|code| code.retryable()) {
            written["headers"] =
                json!({"Retry-After": {"$ref": "#/components/headers/RetryAfter"}});
            self.headers
                .entry("RetryAfter")
                .or_insert_with(retry_after_header);
        }
        self.responses.insert(name, written);
        reference
    }
}

fn retry_after_header() -> Value {
    json!({
        "description": "Seconds to wait.",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    })
}

fn contents<'a>(
    contents: impl IntoIterator<Item = &'a Content>,
    types: &mut SchemaGenerator,
) -> Value {
    let mut written = Map::new();
    for content in contents {
        let schema = match &content.schema {
            BodySchema::Type(describe) => describe(types).to_value(),
            BodySchema::Plain(schema) => schema.clone(),
        };
        let mut described = json!({ "schema": schema });
        if let Some(example) = &content.example {
            described["example"] = example.clone();
        }
        written.insert(content.media.to_owned(), described);
    }
    written.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_one_status_are_one_shared_response() {
        let route = |path| {
            Endpoint::new("GET", path, "Reads")
                .responds_nothing(200, "It is read.")
                .refuses(&[ErrorCode::Unavailable, ErrorCode::NotFound])
        };
        let parts = describe(OpenApiVersion::V3_1, &[route("/one"), route("/two")]);
        for path in ["/one", "/two"] {
            assert_eq!(
                parts.paths[path]["get"]["responses"]["404"]["$ref"],
                "#/components/responses/not_found"
            );
        }
        assert_eq!(parts.responses.len(), 2);
        let missing = &parts.responses["not_found"];
        let description = missing["description"].as_str().unwrap();
        assert!(description.len() > "`not_found`: ".len(), "{description}");
        assert!(parts.headers.contains_key("RetryAfter"));
        assert!(parts.schemas.contains_key("ErrorEnvelope"));
    }

    #[test]
    fn a_default_response_stands_for_all_codes() {
        let route = Endpoint::new("POST", "/one", "Writes")
            .refuses(&[ErrorCode::NotFound])
            .otherwise_fails("A failure.");
        let parts = describe(OpenApiVersion::V3_0, &[route]);
        let responses = parts.paths["/one"]["post"]["responses"]
            .as_object()
            .unwrap();
        assert_eq!(responses.keys().collect::<Vec<_>>(), ["default"]);
        assert!(parts.responses.is_empty());
    }
}
