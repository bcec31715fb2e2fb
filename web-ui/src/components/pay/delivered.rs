//! What a new container's owner needs: its number, its address, its password (once), and until when it runs.

use api_types::{LeaseResponse, Secret};
use leptos::prelude::*;

use crate::{
    components::{CopyButton, Glyph, Icon},
    format::utc_minute,
    state::route::Route,
    text::{leases, money::delivered, shell},
};

/// A new container.
#[component]
pub fn Delivered(
    /// The answer of the lease service.
    lease: LeaseResponse,
) -> impl IntoView {
    let address = match lease.ip {
        Some(ip) => view! { <code>{ip.clone()}</code><CopyButton text=ip label=format!("{} {}", shell::COPY, delivered::ADDRESS) /> }.into_any(),
        None => leases::NO_ADDRESS.into_any(),
    };
    view! {
        <div class="delivered">
            <p class="delivered-title"><Icon glyph=Glyph::Check />{delivered::READY}</p>
            <dl class="facts">
                <div class="fact"><dt>{delivered::CONTAINER}</dt><dd>{lease.hostname} " " <span class="tag">{lease.ctid}</span></dd></div>
                <div class="fact"><dt>{delivered::ADDRESS}</dt><dd>{address}</dd></div>
                <div class="fact"><dt>{delivered::UNTIL}</dt><dd>{utc_minute(lease.expires_at)}</dd></div>
            </dl>
            {lease.password.map(|password| view! { <MadePassword password=password /> })}
            <a class="button small" href=Route::Leases.href()><Icon glyph=Glyph::Server />{delivered::TO_BOARD}</a>
        </div>
    }
}

#[component]
fn MadePassword(password: Secret) -> impl IntoView {
    let plain = password.expose().to_owned();
    view! {
        <div class="made-password">
            <p class="made-password-label"><Icon glyph=Glyph::Key />{delivered::PASSWORD}</p>
            <p class="made-password-text"><code>{plain.clone()}</code><CopyButton text=plain label=format!("{} {}", shell::COPY, delivered::PASSWORD) /></p>
            <p class="fine">{delivered::ONCE}</p>
        </div>
    }
}
