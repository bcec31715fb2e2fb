//! What a container has sent of what is included. Why it is slowed or cut off stands in the lease's notice.

use std::time::Duration;

use leptos::prelude::*;

use crate::{
    engine::use_engine,
    state::{now::every, remote::Remote},
    text::leases,
};

/// The service counts every minute.
const EVERY: Duration = Duration::from_secs(60);

/// A line; nothing until it is known.
#[component]
pub fn Traffic(
    /// The lease.
    lease_id: String,
) -> impl IntoView {
    let (api, traffic) = (use_engine().lease, Remote::new());
    let ask = move || {
        let id = lease_id.clone();
        traffic.ask(async move { api.traffic(&id).await });
    };
    ask();
    every(EVERY, ask);
    let known = traffic.value();
    move || {
        let words = leases::traffic(&known.get()?);
        Some(view! { <p class="muted" translate="no" prop:textContent=words></p> })
    }
}
