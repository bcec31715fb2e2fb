//! The routes about the files of a lease's container, and about the way into it.

use api_types::{DirectoryView, FileChange, FileView, GuestAccess, WrittenFile};

use super::{LeaseApi, refusal, send};
use crate::{
    format::encode_query,
    http::{
        AbortHandle, HttpRequest, RequestError, fetch,
        upload::{UploadRequest, UploadResponse},
    },
};

impl LeaseApi {
    /// The files of a directory.
    ///
    /// # Errors
    /// The request failed; so with all methods below.
    pub async fn directory(&self, lease: &str, path: &str) -> Result<DirectoryView, RequestError> {
        self.read(self.get(&files(lease, path))).await
    }

    /// What a file is. Links are followed.
    pub async fn file(&self, lease: &str, path: &str) -> Result<FileView, RequestError> {
        let path = format!("{}&about=true", files(lease, path));
        self.read(self.get(&path)).await
    }

    /// Makes a directory, or moves a file.
    pub async fn change_file(&self, lease: &str, change: &FileChange) -> Result<(), RequestError> {
        self.send_only(self.post(&format!("/lease/{lease}/files"), change))
            .await
    }

    /// Removes a file, or with `recursive` a directory and all that is in it.
    pub async fn remove_file(
        &self,
        lease: &str,
        path: &str,
        recursive: bool,
    ) -> Result<(), RequestError> {
        let url = self.url(&format!("{}&recursive={recursive}", files(lease, path)));
        let request = self.signed_in(HttpRequest::new("DELETE", url));
        // A large directory takes its time.
        self.send_only(request.without_timeout()).await
    }

    /// The address of a file's content.
    pub fn file_url(&self, lease: &str, path: &str) -> String {
        self.url(&files(lease, path))
    }

    /// A file's content, of at most `limit` bytes. None if it turns out to be longer.
    pub async fn download(
        &self,
        lease: &str,
        path: &str,
        limit: u64,
        abort: &AbortHandle,
        on_progress: impl FnMut(u64),
    ) -> Result<Option<web_sys::Blob>, RequestError> {
        let request = self.get(&files(lease, path)).abort(abort.clone());
        let response = fetch::send(&request).await?;
        if response.ok() {
            return fetch::content(&response, limit, abort, on_progress).await;
        }
        let body = fetch::text(&response).await?;
        Err(refusal(self.session, response.status(), &body))
    }

    /// An upload that writes a file. A file at its path is replaced.
    pub fn upload(&self, lease: &str, path: &str) -> UploadRequest {
        let request = UploadRequest::put(&self.url(&files(lease, path)));
        if let Some(token) = self.session.token_untracked() {
            request.bearer(token.expose());
        }
        request
    }

    /// Reads the response to an upload.
    pub fn written(&self, response: &UploadResponse) -> Result<WrittenFile, RequestError> {
        let UploadResponse { status, body } = response;
        if *status >= 400 {
            return Err(refusal(self.session, *status, body));
        }
        serde_json::from_str(body).map_err(|_| RequestError::Unreadable { status: *status })
    }

    /// Sets SSH up in the container. The way that is used then; none if the container still
    /// installs its server.
    pub async fn set_up_access(&self, lease: &str) -> Result<Option<GuestAccess>, RequestError> {
        let url = self.url(&format!("/lease/{lease}/access"));
        let request = self.signed_in(HttpRequest::new("POST", url));
        let (status, body) = send(&request.without_timeout(), self.session).await?;
        if status == 202 {
            return Ok(None);
        }
        let access = serde_json::from_str(&body);
        access
            .map(Some)
            .map_err(|_| RequestError::Unreadable { status })
    }
}

fn files(lease: &str, path: &str) -> String {
    format!("/lease/{lease}/files?path={}", encode_query(path))
}
