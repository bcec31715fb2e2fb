//! The files of a container in the words of the API.

use std::time::UNIX_EPOCH;

use ::guest::{DirEntry, FileKind as KindInGuest, FileStat};
use api_types::{FileKind, FileView, Timestamp};

/// The entry of a directory, as its owner sees it.
pub fn view_entry(entry: &DirEntry) -> FileView {
    view(&entry.name, &entry.stat)
}

/// A file, as its owner sees it.
pub fn view(name: &str, stat: &FileStat) -> FileView {
    let modified = stat
        .modified
        .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    FileView {
        name: name.to_owned(),
        kind: match stat.kind {
            KindInGuest::File => FileKind::File,
            KindInGuest::Directory => FileKind::Directory,
            KindInGuest::Symlink => FileKind::Symlink,
            KindInGuest::Other => FileKind::Other,
        },
        size: stat.size,
        mode: format!("{:o}", stat.mode),
        modified_at: modified.map(|since| Timestamp(since.as_secs())),
    }
}
