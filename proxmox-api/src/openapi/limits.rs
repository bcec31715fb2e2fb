//! Puts the operator's limits and the checked forms of fields into the schemas of requests, so that
//! the document allows exactly what the routes take.

use api_types::Bounds;
use serde_json::{Map, Value, json};
use service::openapi::narrow;

use crate::{config::Config, proxmox};

/// Narrows the schemas of requests.
pub(super) fn apply(schemas: &mut Map<String, Value>, config: &Config) {
    let limits = &config.limits;
    let printable = |most: u32| json!({"minLength": 1, "maxLength": most, "pattern": PRINTABLE});
    let password = json!({
        "minLength": limits.password_length.min, "maxLength": limits.password_length.max, "pattern": "^[ -~]*$",
        "type": ["string", "null"],
    });
    narrow(
        schemas,
        "LeaseRequest",
        [
            ("sku", printable(64)),
            ("runtimeMinutes", within(limits.runtime_minutes)),
            ("cores", within(limits.cores)),
            ("memoryMB", within(limits.memory_mb)),
            ("diskGB", within(limits.disk_gb)),
            ("hostname", json!({"pattern": DNS_LABEL})),
            ("password", password),
            (
                "sshPublicKey",
                json!({"pattern": SSH_KEY, "maxLength": 8192}),
            ),
            ("template", template(&config.proxmox.templates)),
            ("requester", printable(128)),
        ],
    );
    let mut command = json!({"minLength": 1, "pattern": r"^[^\x00]*[^\s\x00][^\x00]*$"});
    command["maxLength"] = limits.command_bytes.into();
    narrow(
        schemas,
        "ExecRequest",
        [
            ("command", command),
            (
                "extraArgs",
                json!({"items": {"type": "string", "pattern": r"^[^\x00]*$"}}),
            ),
            ("timeoutSeconds", within(limits.exec_timeout_seconds)),
            ("stdinBase64", json!({"pattern": BASE64})),
            (
                "env",
                json!({
                    "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
                    "additionalProperties": {"type": "string", "pattern": r"^[^\x00]*$"},
                }),
            ),
            (
                "cwd",
                json!({"pattern": r"^/[^\x00]*$", "maxLength": PATH_CHARACTERS}),
            ),
            (
                "user",
                json!({"pattern": "^[A-Za-z0-9._][A-Za-z0-9._-]{0,31}$"}),
            ),
        ],
    );
    if let Some(schema) = schemas.get_mut("ExecRequest") {
        schema["allOf"] = json!([
            neither_with(json!({"stdin": {"type": "string"}, "stdinBase64": {"type": "string"}})),
            neither_with(
                json!({"background": {"const": true}, "timeoutSeconds": {"type": "integer"}})
            ),
        ]);
    }
    narrow(
        schemas,
        "RenewRequest",
        [("runtimeMinutes", within(limits.runtime_minutes))],
    );
    let name = json!({"maxLength": 64, "pattern": PRINTABLE});
    narrow(
        schemas,
        "KeyRequest",
        [("name", name.clone()), ("scopes", json!({"minItems": 1}))],
    );
    narrow(schemas, "KeyChange", [("name", name)]);
    for name in ["SessionChallengeRequest", "FaucetRequest"] {
        narrow(
            schemas,
            name,
            [("address", json!({"pattern": "^0x[0-9a-fA-F]{40}$"}))],
        );
    }
}

/// Objects in which these properties do not come together.
fn neither_with(properties: Value) -> Value {
    let names: Vec<&String> = properties
        .as_object()
        .into_iter()
        .flat_map(Map::keys)
        .collect();
    json!({"not": {"required": names, "properties": properties}})
}

/// Base64 as it is decoded: padded, with no bits left over.
const BASE64: &str =
    "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$";
/// Linux takes 4,095 bytes, and a character has four at most.
const PATH_CHARACTERS: u32 = 1023;
const PRINTABLE: &str = r"^[^\x00-\x1f\x7f-\x9f]*$";
const DNS_LABEL: &str = "^[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$";
const SSH_KEY: &str = "^(ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\\.com) \
    AAAA([A-Za-z0-9+/]{4}){15,}([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?( [ -~]*)?$";

/// The templates on offer, where the operator named them. Otherwise the list may change while the
/// service runs, and any text is allowed.
fn template(volumes: &[String]) -> Value {
    if volumes.is_empty() {
        return json!({"minLength": 1, "maxLength": 255, "pattern": PRINTABLE});
    }
    let mut all = vec![Value::Null];
    for template in proxmox::templates::named(volumes) {
        all.extend([template.name.into(), template.volume.into()]);
    }
    json!({"enum": all})
}

fn within(bounds: Bounds) -> Value {
    json!({"minimum": bounds.min, "maximum": bounds.max})
}
