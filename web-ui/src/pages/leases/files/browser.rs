//! The directory that is shown, and the requests that change it.

use api_types::{DirectoryView, ErrorCode, FileAction, FileChange, FileKind, FileView};
use leptos::{html, prelude::*};

use crate::{
    components::restore_focus,
    engine::{Engine, use_engine},
    format::join_path,
    http::RequestError,
    state::remote::Remote,
};

/// The directory that is shown first.
const HOME: &str = "/root";

/// A view of one directory of a container at a time.
#[derive(Clone, Copy)]
pub struct FileBrowser {
    pub engine: Engine,
    pub lease: StoredValue<String>,
    /// The directory's path.
    pub path: RwSignal<String>,
    /// Why the last change failed.
    pub problem: RwSignal<Option<String>>,
    /// What was done last.
    pub done: RwSignal<Option<String>>,
    /// The element with the directory's name.
    pub current: NodeRef<html::Span>,
    listing: Remote<DirectoryView>,
}

impl FileBrowser {
    /// Requests the first directory.
    pub fn new(lease: String) -> Self {
        let browser = Self {
            engine: use_engine(),
            lease: StoredValue::new(lease),
            path: RwSignal::new(HOME.to_owned()),
            problem: RwSignal::new(None),
            done: RwSignal::new(None),
            current: NodeRef::new(),
            listing: Remote::new(),
        };
        browser.reload();
        let listing = browser.listing();
        Effect::new(move || {
            listing.track();
            // The element that was pressed leaves the page with the list before.
            restore_focus(move || Some(browser.current.try_get_untracked()??.into()));
        });
        browser
    }

    /// The directory's files, once they are known.
    pub fn listing(self) -> Signal<Option<DirectoryView>> {
        self.listing.value()
    }

    /// Why they are not known.
    pub fn error(self) -> Signal<Option<RequestError>> {
        self.listing.error()
    }

    /// Shows another directory.
    pub fn open(self, path: String) {
        self.path.set(path);
        self.forget_messages();
        self.listing.clear();
        self.reload();
    }

    /// Requests the directory's files again. The present ones are shown meanwhile.
    pub fn reload(self) {
        // A response that is under way may be older than the last change.
        self.listing.change(|_| {});
        let (engine, lease) = (self.engine, self.lease.get_value());
        let path = self.path.get_untracked();
        self.listing
            .request(async move { engine.lease.directory(&lease, &path).await });
    }

    /// The path of one of the directory's files.
    pub fn path_of(self, name: &str) -> String {
        self.path.with_untracked(|path| join_path(path, name))
    }

    /// Removes the messages about what was done before.
    pub fn forget_messages(self) {
        self.problem.try_set(None);
        self.done.try_set(None);
    }

    /// Something in the directory was changed, as `done` says.
    pub fn changed(self, done: String) {
        self.done.try_set(Some(done));
        self.reload();
    }

    /// Makes a directory.
    pub async fn make_directory(self, path: String) -> Result<(), RequestError> {
        let action = FileAction::MakeDirectory;
        let to = None;
        self.change(FileChange { action, path, to }).await
    }

    /// Renames a file.
    pub async fn rename(self, path: String, to: String) -> Result<(), RequestError> {
        let action = FileAction::Move;
        let to = Some(to);
        self.change(FileChange { action, path, to }).await
    }

    async fn change(self, change: FileChange) -> Result<(), RequestError> {
        let lease = self.lease.get_value();
        self.engine.lease.change_file(&lease, &change).await
    }

    /// Removes a file, or a directory with all that is in it.
    pub async fn remove(self, path: &str, is_directory: bool) -> Result<(), RequestError> {
        let lease = self.lease.get_value();
        let request = self.engine.lease.remove_file(&lease, path, is_directory);
        request.await
    }

    /// What a file is, or what a link leads to.
    pub async fn about(self, path: &str) -> Result<FileView, RequestError> {
        let lease = self.lease.get_value();
        self.engine.lease.file(&lease, path).await
    }

    /// The kind of the file at a path; none if there is none.
    pub async fn kind_at(self, path: &str) -> Result<Option<FileKind>, RequestError> {
        match self.about(path).await {
            Ok(file) => Ok(Some(file.kind)),
            Err(RequestError::Refused { error, .. }) if error.code == ErrorCode::FileNotFound => {
                // A link that leads nowhere is a file as well.
                Ok(self.listed_kind(path))
            }
            Err(error) => Err(error),
        }
    }

    fn listed_kind(self, path: &str) -> Option<FileKind> {
        let (directory, name) = path.rsplit_once('/')?;
        self.listing().with_untracked(|listing| {
            let listing = listing.as_ref()?;
            let is_same = listing.path.trim_end_matches('/') == directory;
            let mut entries = listing.entries.iter().filter(|_| is_same);
            let found = entries.find(|file| file.name == name)?;
            (found.kind == FileKind::Symlink).then_some(FileKind::Symlink)
        })
    }
}
