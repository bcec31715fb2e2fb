//! A moment in the time of whoever looks.

use api_types::Timestamp;
use js_sys::Date;
use leptos::prelude::*;

use crate::format::{local_minute, utc_minute};

/// `2026-01-31 13:00`, in the browser's zone.
pub fn local(at: Timestamp) -> String {
    let date = Date::new(&(at.unix() as f64 * 1000.0).into());
    local_minute(at, -(date.get_timezone_offset() as i32))
}

/// A moment in the browser's zone; who points at it reads it in UTC.
#[component]
pub fn Moment(
    /// When.
    at: Timestamp,
) -> impl IntoView {
    view! { <time translate="no" datetime=at.to_string() title=utc_minute(at) prop:textContent=local(at)></time> }
}
