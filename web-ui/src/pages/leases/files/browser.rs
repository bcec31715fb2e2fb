//! The directory that is shown, and the requests that change it.

use api_types::{DirectoryView, ErrorCode, FileAction, FileChange, FileKind, FileView};
use leptos::{html, prelude::*};

use crate::{
    api::LeaseApi,
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
    engine: Engine,
    lease: StoredValue<String>,
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
        let (lease, path) = (self.lease.try_get_value(), self.path.try_get_untracked());
        // A transfer that ends with the panel has nothing to show.
        let (Some(lease), Some(path)) = (lease, path) else {
            return;
        };
        // A response that is under way may be older than the last change.
        self.listing.change(|_| {});
        let api = self.engine.lease;
        self.listing
            .request(async move { api.directory(&lease, &path).await });
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

    /// The requests about the container's files, which go on after the panel has left the page.
    pub fn requests(self) -> FileRequests {
        FileRequests {
            api: self.engine.lease,
            lease: self.lease.get_value(),
        }
    }

    /// Whether the list has a link at this path.
    pub fn lists_link(self, path: &str) -> bool {
        let found = self.listing().try_with_untracked(|listing| {
            let (directory, name) = path.rsplit_once('/')?;
            let listing = listing.as_ref()?;
            let is_same = listing.path.trim_end_matches('/') == directory;
            let mut entries = listing.entries.iter().filter(|_| is_same);
            entries.find(|file| file.name == name && file.kind == FileKind::Symlink)?;
            Some(())
        });
        found.flatten().is_some()
    }
}

/// The requests about the files of one container.
#[derive(Clone)]
pub struct FileRequests {
    pub api: LeaseApi,
    pub lease: String,
}

impl FileRequests {
    /// Makes a directory.
    pub async fn make_directory(&self, path: String) -> Result<(), RequestError> {
        let action = FileAction::MakeDirectory;
        let change = FileChange {
            action,
            path,
            to: None,
        };
        self.api.change_file(&self.lease, &change).await
    }

    /// Renames a file.
    pub async fn rename(&self, path: String, to: String) -> Result<(), RequestError> {
        let action = FileAction::Move;
        let to = Some(to);
        let change = FileChange { action, path, to };
        self.api.change_file(&self.lease, &change).await
    }

    /// Removes a file, or a directory with all that is in it.
    pub async fn remove(&self, path: &str, is_directory: bool) -> Result<(), RequestError> {
        self.api.remove_file(&self.lease, path, is_directory).await
    }

    /// What a file is, or what a link leads to.
    pub async fn about(&self, path: &str) -> Result<FileView, RequestError> {
        self.api.file(&self.lease, path).await
    }

    /// The kind of the file at a path; none if there is none.
    pub async fn kind_at(
        &self,
        path: &str,
        browser: FileBrowser,
    ) -> Result<Option<FileKind>, RequestError> {
        match self.about(path).await {
            Ok(file) => Ok(Some(file.kind)),
            Err(RequestError::Refused { error, .. }) if error.code == ErrorCode::FileNotFound => {
                // A link that leads nowhere is a file as well.
                Ok(browser.lists_link(path).then_some(FileKind::Symlink))
            }
            Err(error) => Err(error),
        }
    }
}
