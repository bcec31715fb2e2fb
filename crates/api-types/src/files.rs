//! Bodies of the routes about the files of a container. File contents are raw bodies.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// The kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A device, a socket or a pipe.
    Other,
}

/// A file of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FileView {
    /// Its name; what is no UTF-8 is replaced.
    pub name: String,
    /// Its kind.
    pub kind: FileKind,
    /// Its size in bytes.
    pub size: u64,
    /// Its permissions in octal digits, such as `644`.
    pub mode: String,
    /// When its content was changed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified_at: Option<Timestamp>,
}

/// The answer of `GET /lease/{lease}/files` where the path is a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct DirectoryView {
    /// The directory's path.
    pub path: String,
    /// Its files, by name.
    pub entries: Vec<FileView>,
    /// Whether there are more than are listed.
    pub truncated: bool,
}

/// The answer of `PUT /lease/{lease}/files`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct WrittenFile {
    /// The file's path.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// The SHA-256 digest of its content, in hexadecimal digits.
    pub sha256: String,
}

/// What `POST /lease/{lease}/files` does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FileAction {
    /// Makes a directory, with those above it; one that exists stays as it is.
    #[default]
    MakeDirectory,
    /// Moves or renames a file or directory. A file at the new path is replaced.
    Move,
}

/// The body of `POST /lease/{lease}/files`: a change that needs no content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileChange {
    /// What is done.
    pub action: FileAction,
    /// The absolute path of the file or directory.
    pub path: String,
    /// The new path, for `move`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}
