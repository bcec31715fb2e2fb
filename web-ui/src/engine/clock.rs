//! The browser's clock: the one place that asks it.

use js_sys::Promise;
use leptos::prelude::window;
use wasm_bindgen_futures::JsFuture;

/// Unix seconds.
pub fn now() -> u64 {
    (js_sys::Date::now() / 1000.0) as u64
}

/// Waits.
pub async fn pause(seconds: u32) {
    let milliseconds = i32::try_from(seconds.saturating_mul(1000)).unwrap_or(i32::MAX);
    let promise = Promise::new(&mut |resolve, _| {
        // Without a timer the promise would never end; every window has them.
        let _ =
            window().set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, milliseconds);
    });
    // The promise is never rejected.
    let _ = JsFuture::from(promise).await;
}
