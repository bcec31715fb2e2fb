//! A timestamp in the viewer's time zone.

use api_types::Timestamp;
use js_sys::Date;
use leptos::prelude::*;

use crate::format::{local_minute, utc_minute};

/// `2026-01-31 13:00`, in the browser's time zone.
pub fn local_time(at: Timestamp) -> String {
    let date = Date::new(&(at.unix() as f64 * 1000.0).into());
    local_minute(at, -(date.get_timezone_offset() as i32))
}

/// A timestamp in the browser's time zone, with UTC as its tooltip.
#[component]
pub fn LocalTime(
    /// The timestamp.
    at: Timestamp,
) -> impl IntoView {
    view! { <time translate="no" datetime=at.to_string() title=utc_minute(at) prop:textContent=local_time(at)></time> }
}
