//! The files of a container, by the API's routes.

use api_types::{DirectoryView, FileAction, FileChange, FileView, WrittenFile};
use reqwest::{Body, Method, RequestBuilder, Response};

use crate::{
    api::{Api, json, read},
    containers::Container,
    failure::Failure,
};

/// The files of a container.
#[derive(Debug)]
pub struct RemoteFiles<'a> {
    /// The API.
    pub api: &'a Api,
    /// The container.
    pub container: Container,
}

impl RemoteFiles<'_> {
    fn request(&self, method: Method, query: &[(&str, &str)]) -> RequestBuilder {
        let url = self.api.url(&self.container.below("files"));
        self.api.transfers().request(method, url).query(query)
    }

    /// What is at the path; none where nothing is.
    pub async fn about(&self, path: &str) -> Result<Option<FileView>, Failure> {
        let query = [("path", path), ("about", "true")];
        let found = self
            .api
            .with_session(|| Ok(self.request(Method::GET, &query)));
        match found.await {
            Ok(response) => read(&json(response).await?).map(Some),
            Err(failure) if failure.code == "file_not_found" => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// What is in a directory.
    pub async fn list(&self, path: &str) -> Result<DirectoryView, Failure> {
        read(&json(self.read(path).await?).await?)
    }

    /// The content of a file.
    pub async fn read(&self, path: &str) -> Result<Response, Failure> {
        let query = [("path", path)];
        let response = self
            .api
            .with_session(|| Ok(self.request(Method::GET, &query)));
        response.await
    }

    /// Makes a directory and those above it.
    pub async fn make_directory(&self, path: &str) -> Result<(), Failure> {
        let change = FileChange {
            action: FileAction::MakeDirectory,
            path: path.to_owned(),
            to: None,
        };
        let url = self.api.url(&self.container.below("files"));
        let make = || Ok(self.api.transfers().post(&url).json(&change));
        self.api.with_session(make).await.map(drop)
    }

    /// Writes a file with these permissions. Its content is asked for once for each attempt.
    pub async fn write(
        &self,
        path: &str,
        mode: Option<&str>,
        mut content: impl FnMut() -> Result<Body, Failure>,
    ) -> Result<WrittenFile, Failure> {
        let mut query = vec![("path", path), ("parents", "true")];
        query.extend(mode.map(|mode| ("mode", mode)));
        let make = || Ok(self.request(Method::PUT, &query).body(content()?));
        read(&json(self.api.with_session(make).await?).await?)
    }
}
