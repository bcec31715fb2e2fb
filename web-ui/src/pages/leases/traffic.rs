//! How much traffic a container has sent of what is included. The lease's notice tells why it is
//! slowed down or cut off.

use std::time::Duration;

use leptos::prelude::*;

use crate::{
    engine::use_engine,
    state::{now::every, remote::Remote},
    text::leases,
};

/// The interval of updates. The service counts every minute.
const INTERVAL: Duration = Duration::from_secs(60);

/// The line; nothing until the traffic is known.
#[component]
pub fn Traffic(
    /// The lease.
    lease_id: String,
) -> impl IntoView {
    let (api, traffic) = (use_engine().lease, Remote::new());
    let ask = move || {
        let id = lease_id.clone();
        traffic.request(async move { api.traffic(&id).await });
    };
    ask();
    every(INTERVAL, ask);
    let known = traffic.value();
    move || {
        let words = leases::traffic(&known.get()?);
        Some(view! { <p class="muted" translate="no" prop:textContent=words></p> })
    }
}
