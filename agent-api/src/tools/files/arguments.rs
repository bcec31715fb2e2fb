//! The arguments of the tools for files.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;

use super::super::arguments::{long_whole, optional_path, optional_whole, path, whole};

/// The maximum of a file that is written, in bytes. The customer's client holds it with the
/// suspended call.
const MAX_WRITTEN: usize = 16 * 1024;

/// Which directory.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::tools) struct ListArguments {
    /// The container's number.
    #[serde(deserialize_with = "whole")]
    pub(super) ctid: u32,
    /// The directory's absolute path.
    #[serde(deserialize_with = "path")]
    pub(super) path: String,
}

/// Which part of which file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::tools) struct ReadArguments {
    /// The container's number.
    #[serde(deserialize_with = "whole")]
    pub(super) ctid: u32,
    /// The file's absolute path.
    #[serde(deserialize_with = "path")]
    pub(super) path: String,
    /// The first byte that is wanted; 0 where absent.
    #[serde(default, deserialize_with = "long_whole")]
    pub(super) offset: u64,
    /// How many bytes are wanted, at most 8192.
    #[serde(default, deserialize_with = "optional_whole")]
    pub(super) length: Option<u32>,
}

/// Which file, and its content.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::tools) struct WriteArguments {
    /// The container's number.
    #[serde(deserialize_with = "whole")]
    pub(super) ctid: u32,
    /// The file's absolute path. Directories above it are made where they are missing.
    #[serde(deserialize_with = "path")]
    pub(super) path: String,
    /// The whole content as text, at most 16384 bytes.
    #[serde(deserialize_with = "content")]
    pub(super) content: String,
    /// Permissions in octal digits, such as 755.
    #[serde(default, deserialize_with = "mode")]
    pub(super) mode: Option<String>,
}

/// What is done to a file or directory. Variants without descriptions keep the schema short.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ChangeAction {
    MakeDirectory,
    Move,
    Remove,
}

/// What is done, and to which file or directory, as the model writes it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ChangeFields {
    /// The container's number.
    #[serde(deserialize_with = "whole")]
    ctid: u32,
    action: ChangeAction,
    /// The absolute path of the file or directory.
    #[serde(deserialize_with = "path")]
    path: String,
    /// The new absolute path, for `move`.
    #[serde(default, deserialize_with = "optional_path")]
    to: Option<String>,
    /// For `remove`: a directory with everything in it.
    #[serde(default)]
    recursive: bool,
}

/// A change of a container's files.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(try_from = "ChangeFields")]
pub(in crate::tools) struct ChangeArguments {
    pub(super) ctid: u32,
    pub(super) change: Change,
}

#[derive(Debug, JsonSchema)]
pub(super) enum Change {
    MakeDirectory { path: String },
    Move { path: String, to: String },
    Remove { path: String, recursive: bool },
}

impl TryFrom<ChangeFields> for ChangeArguments {
    type Error = &'static str;

    fn try_from(fields: ChangeFields) -> Result<Self, Self::Error> {
        let ChangeFields {
            ctid,
            action,
            path,
            to,
            recursive,
        } = fields;
        let change = match (action, to, recursive) {
            (ChangeAction::MakeDirectory, None, false) => Change::MakeDirectory { path },
            (ChangeAction::Move, Some(to), false) => Change::Move { path, to },
            (ChangeAction::Remove, None, recursive) => Change::Remove { path, recursive },
            (ChangeAction::Move, None, _) => return Err("`to` is missing"),
            (ChangeAction::Move, Some(_), true) => return Err("`recursive` is for `remove` only"),
            (_, Some(_), _) => return Err("`to` is for `move` only"),
            (_, None, true) => return Err("`recursive` is for `remove` only"),
        };
        Ok(Self { ctid, change })
    }
}

/// Reads permissions, which some models write as a number.
fn mode<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let text = match Value::deserialize(from)? {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let mode = u32::from_str_radix(&text, 8).ok();
    match mode.is_some_and(|mode| mode <= 0o7777) {
        true => Ok(Some(text)),
        false => Err(D::Error::custom(
            "expected permissions in octal digits, such as 644",
        )),
    }
}

fn content<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    match text.len() <= MAX_WRITTEN {
        true => Ok(text),
        false => Err(D::Error::custom(format!(
            "expected at most {MAX_WRITTEN} bytes of content"
        ))),
    }
}
