//! The files of a container, and the way into it.

use api_types::FileKind;

use crate::format::bytes;

/// Opens the files of a container.
pub const FILES: &str = "Files";
/// The path's accessible name.
pub const PATH: &str = "Path";
/// The list's accessible name.
pub fn list_of(path: &str) -> String {
    format!("Files in {path}")
}
/// A directory without files.
pub const EMPTY: &str = "This directory is empty.";
/// How many files a directory has.
pub fn count(count: usize) -> String {
    match count {
        1 => "1 entry".to_owned(),
        _ => format!("{count} entries"),
    }
}
/// The directory has more files than the service lists.
pub fn truncated(count: usize) -> String {
    format!("Only the first {count} entries are listed. Use the terminal to see the others.")
}
/// Shows more files of the list.
pub fn show_more(count: usize) -> String {
    format!("Show {count} more")
}
/// A name that is not text in UTF-8, so that no request can name the file.
pub const NAME_UNREADABLE: &str = "This name is not UTF-8 text. Use the terminal for this file.";
/// What a file is, where it is neither a file nor a directory.
pub const fn kind(kind: FileKind) -> &'static str {
    match kind {
        FileKind::File => "File",
        FileKind::Directory => "Directory",
        FileKind::Symlink => "Link",
        FileKind::Other => "Special file",
    }
}

/// Downloads a file.
pub const DOWNLOAD: &str = "Download";
/// The same, with its name.
pub fn download(name: &str) -> String {
    format!("Download {name}")
}
/// A file that is being downloaded.
pub fn downloading(name: &str) -> String {
    format!("Downloading {name}…")
}
/// It was.
pub fn downloaded(name: &str, size: u64) -> String {
    format!("{name} is downloaded ({}).", bytes(size))
}
/// It broke off.
pub fn not_downloaded(name: &str, cause: &str) -> String {
    format!("{name} was not downloaded. {cause}")
}
/// The reason, where the service gave none.
pub const BROKE_OFF: &str = "The connection was lost, or the file was changed while it was read.";
/// A file that is too large for the browser.
pub fn too_large(name: &str, limit: u64) -> String {
    let limit = bytes(limit);
    format!(
        "{name} is larger than {limit}, which is the most that this page downloads. \
         This command downloads it. TOKEN is the token of a session, from POST /session."
    )
}
/// The command's name.
pub const COMMAND: &str = "the command";

/// Chooses files to upload.
pub const UPLOAD: &str = "Upload files";
/// Files can be dropped as well.
pub const DROP: &str = "Files can also be dropped here.";
/// A file that is being uploaded.
pub fn uploading(name: &str) -> String {
    format!("Uploading {name}…")
}
/// The whole of it was sent, and the service still writes it.
pub fn writing(name: &str) -> String {
    format!("Writing {name}…")
}
/// One file was uploaded, or several were.
pub fn uploaded(count: usize, last: &str, size: u64) -> String {
    match count {
        1 => format!("{last} is uploaded ({}).", bytes(size)),
        _ => format!("{count} files are uploaded."),
    }
}
/// It did not arrive. Nothing is left of it in the container.
pub fn not_uploaded(name: &str, cause: &str) -> String {
    format!("{name} was not uploaded. {cause}")
}
/// A directory has the name of a file that is uploaded.
pub const IS_DIRECTORY: &str = "There is a directory of this name.";
/// The browser gave no reason.
pub const NOT_SENT: &str = "The connection was lost, the container's disk is full, or the browser \
     cannot read the file. Folders cannot be uploaded: pack them into an archive.";
/// It was stopped.
pub const STOPPED: &str = "You stopped it.";
/// Stops the transfer.
pub const STOP: &str = "Stop";
/// Its progress.
pub const PROGRESS: &str = "Progress";

/// Heading of the question whether files are replaced.
pub const REPLACE: &str = "Replace files?";
/// Which ones.
pub fn replace_help(names: &[String]) -> String {
    const MOST: usize = 5;
    let shown = names.iter().take(MOST).cloned().collect::<Vec<_>>();
    let shown = shown.join(", ");
    match names.len() {
        0..=MOST => format!("Already here: {shown}. Their content would be lost."),
        all => format!(
            "Already here: {shown} and {} more. Their content would be lost.",
            all - MOST
        ),
    }
}
/// Replaces them.
pub const REPLACE_DO: &str = "Replace";
/// Uploads only the others.
pub const REPLACE_SKIP: &str = "Skip these";

/// Makes a directory.
pub const NEW_FOLDER: &str = "New folder";
/// Its name.
pub const NAME: &str = "Name";
/// Makes it.
pub const CREATE: &str = "Create";
/// It was made.
pub fn created(name: &str) -> String {
    format!("{name} is created.")
}
/// Renames a file.
pub const RENAME: &str = "Rename";
/// The same, with its name.
pub fn rename(name: &str) -> String {
    format!("Rename {name}")
}
/// It was renamed.
pub fn renamed(to: &str) -> String {
    format!("It is now called {to}.")
}
/// A name that no file can have.
pub const BAD_NAME: &str = "A name has at most 255 bytes and no slash.";
/// A name that another file has.
pub fn taken(name: &str) -> String {
    format!("{name} is here already. Choose another name.")
}

/// Deletes a file.
pub const DELETE: &str = "Delete";
/// The same, with its name.
pub fn delete(name: &str) -> String {
    format!("Delete {name}")
}
/// The question before it.
pub const fn delete_help(is_directory: bool) -> &'static str {
    if is_directory {
        "The directory and everything in it are deleted at once. This cannot be undone."
    } else {
        "It is deleted at once. This cannot be undone."
    }
}
/// Deletes it.
pub const DELETE_DO: &str = "Delete it";
/// Deletes a directory.
pub const DELETE_ALL_DO: &str = "Delete all of it";
/// It is being deleted.
pub const DELETING: &str = "Deleting…";
/// It was deleted.
pub fn deleted(name: &str) -> String {
    format!("{name} is deleted.")
}

/// The way into a container.
pub mod access {
    /// SSH is not used; the reason follows.
    pub const BY_TERMINAL: &str = "Commands run over the terminal, and files need SSH:";
    /// Installs and starts an SSH server in the container.
    pub const SET_UP: &str = "Set up SSH";
    /// It is being installed.
    pub const SETTING_UP: &str = "Setting up SSH…";
    /// It still is, after the service has stopped to wait.
    pub const SOON: &str = "The container still installs its SSH server. This can take some \
         minutes; this line goes once SSH works.";
    /// It is ready.
    pub fn ready(hostname: &str) -> String {
        format!("{hostname} can now be reached by SSH.")
    }
    /// It did not help.
    pub fn failed(reason: &str) -> String {
        format!("SSH was set up and is still not usable. {reason}")
    }
    /// How a command came into the container.
    pub const RAN_BY_TERMINAL: &str = "It ran over the container's terminal.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_files_to_replace_are_counted() {
        let names = |count: u32| (0..count).map(|n| format!("f{n}")).collect::<Vec<_>>();
        assert_eq!(
            replace_help(&names(2)),
            "Already here: f0, f1. Their content would be lost."
        );
        assert!(replace_help(&names(8)).contains("f4 and 3 more"));
    }
}
