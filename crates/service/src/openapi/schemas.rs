//! The schemas of requests and responses.

use api_types::ErrorEnvelope;
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value};

/// The version of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenApiVersion {
    /// 3.0, whose schemas are those of requests.
    V3_0,
    /// 3.1, whose schemas are made for requests and responses separately.
    V3_1,
}

/// The generators of the schemas of one document.
pub(super) struct Schemas {
    requests: SchemaGenerator,
    /// `None` where the generator of requests makes those of responses too.
    responses: Option<SchemaGenerator>,
}

impl Schemas {
    pub(super) fn new(version: OpenApiVersion) -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = "/components/schemas".into();
                settings.meta_schema = None;
            })
        };
        let mut schemas = match version {
            OpenApiVersion::V3_0 => Self {
                requests: SchemaSettings::openapi3().into_generator(),
                responses: None,
            },
            OpenApiVersion::V3_1 => Self {
                requests: settings().for_deserialize().into_generator(),
                responses: Some(settings().for_serialize().into_generator()),
            },
        };
        // Errors refer to it by its name.
        schemas.responses().subschema_for::<ErrorEnvelope>();
        schemas
    }

    pub(super) fn requests(&mut self) -> &mut SchemaGenerator {
        &mut self.requests
    }

    pub(super) fn responses(&mut self) -> &mut SchemaGenerator {
        self.responses.as_mut().unwrap_or(&mut self.requests)
    }

    /// All schemas by their names.
    pub(super) fn definitions(mut self) -> Map<String, Value> {
        let mut all = self.requests.take_definitions(true);
        let responses = self.responses.map(|mut types| types.take_definitions(true));
        for (name, schema) in responses.into_iter().flatten() {
            // Types of both directions have no defaults, so that both schemas are equal.
            debug_assert!(
                all.get(&name).is_none_or(|request| *request == schema),
                "{name}"
            );
            all.insert(name, schema);
        }
        all
    }
}

/// Adds rules to the properties of a schema, for checks that its type does not express. Properties
/// that the schema does not have are left out.
pub fn narrow<const N: usize>(
    schemas: &mut Map<String, Value>,
    name: &str,
    properties: [(&str, Value); N],
) {
    let Some(existing) = schemas
        .get_mut(name)
        .and_then(|schema| schema["properties"].as_object_mut())
    else {
        return;
    };
    for (property, rules) in properties {
        if let (Some(schema), Value::Object(rules)) = (existing.get_mut(property), rules)
            && let Some(schema) = schema.as_object_mut()
        {
            schema.extend(rules);
        }
    }
}

/// All references in a document, so that tests can look for broken ones.
pub fn references(document: &Value) -> Vec<&str> {
    let mut found = Vec::new();
    collect(document, &mut found);
    found
}

fn collect<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|value| collect(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rules_are_added_to_properties_that_exist() {
        let schema = json!({"properties": {"name": {"type": "string"}}});
        let mut schemas = Map::from_iter([("Request".to_owned(), schema)]);
        narrow(
            &mut schemas,
            "Request",
            [
                ("name", json!({"maxLength": 8})),
                ("other", json!({"maxLength": 8})),
            ],
        );
        narrow(&mut schemas, "Absent", [("name", json!({"maxLength": 9}))]);
        let narrowed = json!({"properties": {"name": {"type": "string", "maxLength": 8}}});
        assert_eq!(schemas["Request"], narrowed);
        assert_eq!(schemas.len(), 1);
    }

    #[test]
    fn references_are_found_at_every_depth() {
        let document = json!({"a": [{"$ref": "#/b"}], "b": {"c": {"$ref": "#/a"}}});
        assert_eq!(references(&document), ["#/b", "#/a"]);
    }
}
