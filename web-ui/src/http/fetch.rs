//! The browser's `fetch`, as a future.

use js_sys::{Array, Uint8Array};
use leptos::prelude::window;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, AbortSignal, Blob, BlobPropertyBag, Event, Headers, ReadableStream,
    ReadableStreamDefaultReader, Request, RequestInit, Response,
};

use super::{
    RequestError,
    sse::{SseEvent, SseParser},
};
use crate::browser::clock;

/// How long an ordinary response may take, in milliseconds.
const RESPONSE_TIMEOUT: u32 = 20_000;

/// The event of the window that says that a service could not be reached.
pub const UNREACHABLE: &str = "infra402-unreachable";

/// Aborts a request that is under way. Clones abort the same request.
#[derive(Clone, Debug)]
pub struct AbortHandle(AbortController);

impl AbortHandle {
    /// A handle for a request that is about to be sent.
    pub fn new() -> Self {
        Self(
            AbortController::new()
                .expect("every browser that runs this module has AbortController"),
        )
    }

    /// Aborts the request, if it is still under way.
    pub fn abort(&self) {
        self.0.abort();
    }

    /// Whether the request was aborted.
    pub fn is_aborted(&self) -> bool {
        self.0.signal().aborted()
    }
}

impl Default for AbortHandle {
    fn default() -> Self {
        Self::new()
    }
}

/// A request, as it is put together.
#[derive(Clone, Debug)]
pub struct HttpRequest {
    method: &'static str,
    url: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
    abort: Option<AbortHandle>,
    has_timeout: bool,
    reads_date: bool,
}

impl HttpRequest {
    /// A `GET` request.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// A request with any method.
    pub fn new(method: &'static str, url: impl Into<String>) -> Self {
        Self {
            method,
            url: url.into(),
            headers: Vec::new(),
            body: None,
            abort: None,
            has_timeout: true,
            reads_date: false,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets a JSON body.
    #[must_use]
    pub fn json(mut self, body: String) -> Self {
        self.body = Some(body);
        self.header("content-type", "application/json")
    }

    /// Adds the token of a session.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// Lets a handle abort the request. It then has no timeout.
    #[must_use]
    pub fn abort(mut self, abort: AbortHandle) -> Self {
        self.abort = Some(abort);
        self
    }

    /// Removes the timeout.
    #[must_use]
    pub fn without_timeout(mut self) -> Self {
        self.has_timeout = false;
        self
    }

    /// Reads the service's time from the `Date` of the response: the request goes to one of our
    /// services.
    #[must_use]
    pub fn read_date(mut self) -> Self {
        self.reads_date = true;
        self
    }

    fn signal(&self) -> Option<AbortSignal> {
        match &self.abort {
            Some(abort) => Some(abort.0.signal()),
            None if !self.has_timeout => None,
            None => Some(AbortSignal::timeout_with_u32(RESPONSE_TIMEOUT)),
        }
    }

    fn request(&self) -> Result<Request, JsValue> {
        let headers = Headers::new()?;
        for (name, value) in &self.headers {
            headers.set(name, value)?;
        }
        let init = RequestInit::new();
        init.set_method(self.method);
        init.set_headers(&headers);
        init.set_signal(self.signal().as_ref());
        if let Some(body) = &self.body {
            init.set_body(&JsValue::from_str(body));
        }
        Request::new_with_str_and_init(&self.url, &init)
    }
}

/// Sends a request and returns the response, whatever its status.
///
/// # Errors
/// No response came.
pub async fn send(request: &HttpRequest) -> Result<Response, RequestError> {
    let reads_date = request.reads_date;
    let request = request.request().map_err(|_| RequestError::Unreachable)?;
    let sent = clock::device_milliseconds();
    let response = JsFuture::from(window().fetch_with_request(&request)).await;
    let response: Result<Response, RequestError> = response
        .and_then(JsCast::dyn_into)
        .map_err(|error| cause(&error));
    if let (true, Ok(response)) = (reads_date, &response)
        && let Ok(Some(date)) = response.headers().get("date")
    {
        clock::read_date(&date, sent);
    }
    if let Err(RequestError::Unreachable) = response {
        let event = Event::new(UNREACHABLE).expect("the name is a text");
        // An event without listeners is not an error.
        let _ = window().dispatch_event(&event);
    }
    response
}

/// The whole body of a response, as text.
///
/// # Errors
/// The connection was cut.
pub async fn text(response: &Response) -> Result<String, RequestError> {
    let text = response.text().map_err(|error| cause(&error))?;
    let text = JsFuture::from(text).await.map_err(|error| cause(&error))?;
    Ok(text.as_string().unwrap_or_default())
}

/// The whole body of a response of at most `limit` bytes, as the content of a file. A longer one is
/// aborted, and none.
///
/// # Errors
/// The connection was cut.
pub async fn content(
    response: &Response,
    limit: u64,
    abort: &AbortHandle,
    mut on_progress: impl FnMut(u64),
) -> Result<Option<Blob>, RequestError> {
    let (parts, mut length) = (Array::new(), 0);
    if let Some(body) = response.body() {
        let reader = reader(&body);
        while let Some(bytes) = read_bytes(&reader).await? {
            length += u64::from(bytes.length());
            if length > limit {
                abort.abort();
                return Ok(None);
            }
            parts.push(&bytes);
            on_progress(length);
        }
    }
    // The parts may be bytes as well, and this constructor is in a first visit already.
    let blob = Blob::new_with_str_sequence_and_options(&parts, &BlobPropertyBag::new());
    blob.map(Some).map_err(|error| cause(&error))
}

/// Reads a response that is an event stream to its end, and passes on events as they come.
///
/// # Errors
/// The connection was cut before the end.
pub async fn events(
    response: &Response,
    mut on_event: impl FnMut(SseEvent),
) -> Result<(), RequestError> {
    let Some(body) = response.body() else {
        return Ok(());
    };
    let reader = reader(&body);
    let mut parser = SseParser::new();
    while let Some(bytes) = read_bytes(&reader).await? {
        for event in parser.push(&bytes.to_vec()) {
            on_event(event);
        }
    }
    Ok(())
}

fn reader(body: &ReadableStream) -> ReadableStreamDefaultReader {
    body.get_reader()
        .dyn_into()
        .expect("a stream's reader without a mode is the default one")
}

/// The next bytes of a stream; none at its end.
async fn read_bytes(
    reader: &ReadableStreamDefaultReader,
) -> Result<Option<Uint8Array>, RequestError> {
    let chunk = JsFuture::from(reader.read())
        .await
        .map_err(|error| cause(&error))?;
    let value = js_sys::Reflect::get(&chunk, &"value".into()).ok();
    Ok(value.and_then(|value| value.dyn_into().ok()))
}

fn cause(error: &JsValue) -> RequestError {
    let name = js_sys::Reflect::get(error, &"name".into()).ok();
    match name.and_then(|name| name.as_string()).as_deref() {
        Some("AbortError") => RequestError::Aborted,
        _ => RequestError::Unreachable,
    }
}
