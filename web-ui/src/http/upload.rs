//! Uploads by `XMLHttpRequest`, which reports progress; `fetch` reports none.

use js_sys::Promise;
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::JsFuture;
use web_sys::EventTarget;

use crate::browser::object::{call, construct, get, get_number, get_text};

/// An upload that is put together, or under way. Clones are the same upload.
#[derive(Clone, Debug)]
pub struct UploadRequest(JsValue);

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
        let request = construct("XMLHttpRequest")
            .expect("every browser that runs this module has XMLHttpRequest");
        // A request that was not opened fails when it is sent.
        let _ = call(&request, "open", &[&"PUT".into(), &url.into()]);
        Self(request)
    }

    /// Adds the token of a session.
    pub fn bearer(&self, token: &str) {
        let value = format!("Bearer {token}").into();
        // Without the header, the service refuses the request.
        let _ = call(
            &self.0,
            "setRequestHeader",
            &[&"authorization".into(), &value],
        );
    }

    /// Aborts the upload.
    pub fn abort(&self) {
        // An upload that has ended stays as it is.
        let _ = call(&self.0, "abort", &[]);
    }

    /// Sends a file and calls `on_progress` with the number of bytes that have left. None if no
    /// response came: the connection was lost, the upload was aborted, or the browser cannot read
    /// the file.
    pub async fn send(
        &self,
        file: &JsValue,
        mut on_progress: impl FnMut(u64) + 'static,
    ) -> Option<UploadResponse> {
        let progress = Closure::<dyn FnMut(JsValue)>::new(move |event: JsValue| {
            on_progress(get_number(&event, "loaded"));
        });
        let upload: EventTarget = get(&self.0, "upload").unchecked_into();
        let listener = progress.as_ref().unchecked_ref();
        upload
            .add_event_listener_with_callback("progress", listener)
            .ok()?;
        let request: &EventTarget = self.0.unchecked_ref();
        let ended = Promise::new(&mut |resolve, _| {
            // It comes last, however the request ends. Adding a listener does not fail.
            let _ = request.add_event_listener_with_callback("loadend", &resolve);
        });
        call(&self.0, "send", &[file]).ok()?;
        JsFuture::from(ended).await.ok()?;
        let status = u16::try_from(get_number(&self.0, "status")).ok()?;
        (status != 0).then(|| UploadResponse {
            status,
            body: get_text(&self.0, "responseText"),
        })
    }
}
