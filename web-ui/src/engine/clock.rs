//! The browser's clock, and by it the service's: the one place that asks.

use std::cell::Cell;

use js_sys::Promise;
use leptos::prelude::window;
use wasm_bindgen_futures::JsFuture;

use super::device;
use crate::server_clock::ServerClock;

thread_local! {
    static SERVER: Cell<ServerClock> = const { Cell::new(ServerClock::UNKNOWN) };
}

/// Unix seconds by the service's clock, as far as that is known: what is signed and counted down goes by it.
pub fn now() -> u64 {
    let now = SERVER.get().at(milliseconds());
    u64::try_from(now / 1000).unwrap_or(0)
}

/// Unix seconds by the device's own clock, for how long something takes.
pub fn device() -> f64 {
    js_sys::Date::now() / 1000.0
}

/// The device's clock, in milliseconds.
pub fn milliseconds() -> i64 {
    js_sys::Date::now() as i64
}

/// How the service's clock and the device's differ.
pub fn server() -> ServerClock {
    device::track();
    SERVER.get()
}

/// Takes the `Date` of a service's answer, which was asked for at that moment of the device's clock, in milliseconds.
pub fn heard(date: &str, sent: i64) {
    let at = js_sys::Date::parse(date);
    if at.is_nan() {
        return;
    }
    let (before, seconds) = (SERVER.get(), (at / 1000.0) as i64);
    let after = before.seen(seconds, sent, milliseconds());
    if after != before {
        SERVER.set(after);
        device::changed();
    }
}

/// Waits so many seconds.
pub async fn pause(seconds: u32) {
    rest(i32::try_from(seconds.saturating_mul(1000)).unwrap_or(i32::MAX)).await;
}

/// Waits so many milliseconds.
pub async fn rest(milliseconds: i32) {
    let promise = Promise::new(&mut |resolve, _| {
        // Without a timer the promise would never end; every window has them.
        let _ =
            window().set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, milliseconds);
    });
    // The promise is never rejected.
    let _ = JsFuture::from(promise).await;
}
