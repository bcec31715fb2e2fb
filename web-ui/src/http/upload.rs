//! Uploads by `XMLHttpRequest`, which reports progress; `fetch` reports none.

use js_sys::Promise;
use wasm_bindgen::{JsCast, closure::Closure};
use wasm_bindgen_futures::JsFuture;
use web_sys::{File, ProgressEvent, XmlHttpRequest};

/// An upload that is put together, or under way. Clones are the same upload.
#[derive(Clone, Debug)]
pub struct UploadRequest(XmlHttpRequest);

/// The response to an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadResponse {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: String,
}

impl UploadRequest {
    /// A `PUT` request.
    pub fn put(url: &str) -> Self {
        let request =
            XmlHttpRequest::new().expect("every browser that runs this module has XMLHttpRequest");
        // A request that was not opened fails when it is sent.
        let _ = request.open("PUT", url);
        Self(request)
    }

    /// Adds the token of a session.
    pub fn bearer(&self, token: &str) {
        // Without the header, the service refuses the request.
        let _ = self
            .0
            .set_request_header("authorization", &format!("Bearer {token}"));
    }

    /// Aborts the upload.
    pub fn abort(&self) {
        // An upload that has ended stays as it is.
        let _ = self.0.abort();
    }

    /// Sends a file and calls `on_progress` with the number of bytes that have left. None if no
    /// response came: the connection was lost, the upload was aborted, or the browser cannot read
    /// the file.
    pub async fn send(
        &self,
        file: &File,
        on_progress: impl FnMut(u64) + 'static,
    ) -> Option<UploadResponse> {
        let mut on_progress = on_progress;
        let progress = Closure::<dyn FnMut(ProgressEvent)>::new(move |event: ProgressEvent| {
            on_progress(event.loaded() as u64);
        });
        let upload = self.0.upload().ok()?;
        let listener = progress.as_ref().unchecked_ref();
        upload
            .add_event_listener_with_callback("progress", listener)
            .ok()?;
        let ended = Promise::new(&mut |resolve, _| {
            // It comes last, however the request ends. An error here is one of `send` as well.
            let _ = self.0.add_event_listener_with_callback("loadend", &resolve);
        });
        self.0.send_with_opt_blob(Some(file)).ok()?;
        JsFuture::from(ended).await.ok()?;
        let status = self.0.status().ok().filter(|status| *status != 0)?;
        let body = self.0.response_text().ok().flatten().unwrap_or_default();
        Some(UploadResponse { status, body })
    }
}
