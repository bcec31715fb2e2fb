//! The questions about files: a name for a new or renamed one, and whether files are deleted or
//! replaced.

use api_types::FileView;

/// A question.
#[derive(Clone, PartialEq)]
pub enum Question {
    /// The name of a new directory.
    NewFolder,
    /// The new name of a file.
    Rename(String),
    /// Whether a file is deleted.
    Delete(FileView),
    /// Whether files of these names are replaced by uploads.
    Replace {
        directory: String,
        taken: Vec<String>,
    },
}
