//! The browser's `fetch`, as a future.

use js_sys::Uint8Array;
use leptos::prelude::window;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, AbortSignal, Event, Headers, ReadableStreamDefaultReader, Request,
    RequestInit, Response,
};

use super::ApiError;
use crate::{
    engine::clock,
    sse::{SseEvent, SseParser},
};

/// How long an ordinary answer may take, in milliseconds.
const PATIENCE: u32 = 20_000;

/// The window's event when a service could not be reached.
pub const UNREACHABLE: &str = "infra402-unreachable";

/// Stops a call that is under way. Clones stop the same call.
#[derive(Clone, Debug)]
pub struct Abort(AbortController);

impl Abort {
    /// For a call that is about to begin.
    pub fn new() -> Self {
        Self(
            AbortController::new()
                .expect("every browser that runs this module has AbortController"),
        )
    }

    /// Stops it, if it is still under way.
    pub fn abort(&self) {
        self.0.abort();
    }

    /// Whether it was stopped.
    pub fn is_aborted(&self) -> bool {
        self.0.signal().aborted()
    }
}

impl Default for Abort {
    fn default() -> Self {
        Self::new()
    }
}

/// One call.
#[derive(Clone, Debug)]
pub struct Call {
    method: &'static str,
    url: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
    abort: Option<Abort>,
    patient: bool,
    timed: bool,
}

impl Call {
    /// A `GET`.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// Any method.
    pub fn new(method: &'static str, url: impl Into<String>) -> Self {
        Self {
            method,
            url: url.into(),
            headers: Vec::new(),
            body: None,
            abort: None,
            patient: false,
            timed: false,
        }
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With a JSON body.
    #[must_use]
    pub fn json(mut self, body: String) -> Self {
        self.body = Some(body);
        self.header("content-type", "application/json")
    }

    /// As somebody who has signed in.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// Can be stopped.
    #[must_use]
    pub fn abort(mut self, abort: Abort) -> Self {
        self.abort = Some(abort);
        self
    }

    /// May take as long as it takes.
    #[must_use]
    pub fn patient(mut self) -> Self {
        self.patient = true;
        self
    }

    /// To a service of ours, whose answers tell its time.
    #[must_use]
    pub fn timed(mut self) -> Self {
        self.timed = true;
        self
    }

    fn signal(&self) -> Option<AbortSignal> {
        match &self.abort {
            Some(abort) => Some(abort.0.signal()),
            None if self.patient => None,
            None => Some(AbortSignal::timeout_with_u32(PATIENCE)),
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

/// Sends a call and gives the answer, whatever its status.
///
/// # Errors
/// There is none.
pub async fn send(call: &Call) -> Result<Response, ApiError> {
    let request = call.request().map_err(|_| ApiError::Unreachable)?;
    let sent = clock::milliseconds();
    let answer = JsFuture::from(window().fetch_with_request(&request)).await;
    let answer: Result<Response, ApiError> = answer
        .and_then(JsCast::dyn_into)
        .map_err(|error| cause(&error));
    if let (true, Ok(answer)) = (call.timed, &answer)
        && let Ok(Some(date)) = answer.headers().get("date")
    {
        clock::heard(&date, sent);
    }
    if let Err(ApiError::Unreachable) = answer {
        let event = Event::new(UNREACHABLE).expect("the name is a text");
        // Nobody forbids it.
        let _ = window().dispatch_event(&event);
    }
    answer
}

/// The whole text of an answer.
///
/// # Errors
/// The connection was cut.
pub async fn text(response: &Response) -> Result<String, ApiError> {
    let text = response.text().map_err(|error| cause(&error))?;
    let text = JsFuture::from(text).await.map_err(|error| cause(&error))?;
    Ok(text.as_string().unwrap_or_default())
}

/// Reads an answer of events, as they come, to its end.
///
/// # Errors
/// The connection was cut before the end.
pub async fn events(
    response: &Response,
    mut on_event: impl FnMut(SseEvent),
) -> Result<(), ApiError> {
    let Some(body) = response.body() else {
        return Ok(());
    };
    let reader: ReadableStreamDefaultReader = body
        .get_reader()
        .dyn_into()
        .expect("a stream's reader without a mode is the default one");
    let mut parser = SseParser::new();
    loop {
        let chunk = JsFuture::from(reader.read())
            .await
            .map_err(|error| cause(&error))?;
        if let Some(bytes) = bytes_of(&chunk) {
            for event in parser.push(&bytes) {
                on_event(event);
            }
        } else {
            return Ok(());
        }
    }
}

/// The bytes of one result of a stream's reader; none at its end.
fn bytes_of(chunk: &JsValue) -> Option<Vec<u8>> {
    let value = js_sys::Reflect::get(chunk, &"value".into()).ok()?;
    let bytes: Uint8Array = value.dyn_into().ok()?;
    Some(bytes.to_vec())
}

fn cause(error: &JsValue) -> ApiError {
    let name = js_sys::Reflect::get(error, &"name".into()).ok();
    match name.and_then(|name| name.as_string()).as_deref() {
        Some("AbortError") => ApiError::Aborted,
        _ => ApiError::Unreachable,
    }
}
