//! The device's clock, and the service's clock as far as it is known. No other module asks the
//! browser for the time.

use std::cell::Cell;

use js_sys::Promise;
use leptos::prelude::window;
use wasm_bindgen_futures::JsFuture;

use super::device;
use crate::server_clock::ServerClock;

thread_local! {
    static SERVER_CLOCK: Cell<ServerClock> = const { Cell::new(ServerClock::UNKNOWN) };
}

/// Unix seconds by the service's clock, as far as that is known. Signatures and countdowns use it.
pub fn now() -> u64 {
    let now = SERVER_CLOCK.get().at(device_milliseconds());
    u64::try_from(now / 1000).unwrap_or(0)
}

/// Unix seconds by the device's own clock, for measuring how long something takes.
pub fn device_seconds() -> f64 {
    js_sys::Date::now() / 1000.0
}

/// Unix milliseconds by the device's own clock.
pub fn device_milliseconds() -> i64 {
    js_sys::Date::now() as i64
}

/// How the service's clock differs from the device's. Tracked as a signal.
pub fn server() -> ServerClock {
    device::track();
    SERVER_CLOCK.get()
}

/// Reads the `Date` of a service's response. `sent` is when the request was sent, in milliseconds
/// by the device's clock.
pub fn read_date(date: &str, sent: i64) {
    let at = js_sys::Date::parse(date);
    if at.is_nan() {
        return;
    }
    let (before, seconds) = (SERVER_CLOCK.get(), (at / 1000.0) as i64);
    let after = before.updated(seconds, sent, device_milliseconds());
    if after != before {
        SERVER_CLOCK.set(after);
        device::notify();
    }
}

/// Waits for a number of seconds.
pub async fn pause(seconds: u32) {
    pause_milliseconds(i32::try_from(seconds.saturating_mul(1000)).unwrap_or(i32::MAX)).await;
}

/// Waits for a number of milliseconds.
pub async fn pause_milliseconds(milliseconds: i32) {
    let promise = Promise::new(&mut |resolve, _| {
        // Without a timer the promise would never end; every window has them.
        let _ =
            window().set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, milliseconds);
    });
    // The promise is never rejected.
    let _ = JsFuture::from(promise).await;
}
