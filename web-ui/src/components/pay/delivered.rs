//! A new container: its number, its address, its password (once), and when it expires.

use api_types::{LeaseResponse, Secret};
use leptos::prelude::*;

use crate::{
    components::{Copyable, Fact, Glyph, Icon, LocalTime},
    state::route::Route,
    text::{leases, money::delivered},
};

/// A new container.
#[component]
pub fn Delivered(
    /// The lease service's response.
    lease: LeaseResponse,
    /// Whether its password was shown and is not available any more.
    #[prop(optional)]
    was_shown: bool,
    /// Called once the password is copied.
    #[prop(optional, into)]
    on_copied: Option<Callback<()>>,
    /// Goes to the board, if following the link is not enough.
    #[prop(optional, into)]
    on_board: Option<Callback<()>>,
) -> impl IntoView {
    let address = match lease.ip {
        Some(ip) => view! { <Copyable name=delivered::ADDRESS value=ip /> }.into_any(),
        None => leases::NO_ADDRESS.into_any(),
    };
    let to_board = move |event: web_sys::MouseEvent| {
        if let Some(on_board) = on_board {
            event.prevent_default();
            on_board.run(());
        }
    };
    view! {
        <div class="delivered">
            <p class="delivered-title"><Icon glyph=Glyph::Check />{delivered::READY}</p>
            <dl class="facts">
                <Fact name=delivered::CONTAINER>{lease.hostname} " " <span class="tag">{lease.ctid}</span></Fact>
                <Fact name=delivered::ADDRESS>{address}</Fact>
                <Fact name=delivered::UNTIL><LocalTime at=lease.expires_at /></Fact>
            </dl>
            {lease.password.map(|password| view! { <GeneratedPassword password=password on_copied=on_copied /> })}
            {was_shown.then(|| view! { <p class="fine">{delivered::SHOWN}</p> })}
            <a class="button small" href=Route::LEASES.href() on:click=to_board><Icon glyph=Glyph::Server />{delivered::TO_BOARD}</a>
        </div>
    }
}

#[component]
fn GeneratedPassword(password: Secret, on_copied: Option<Callback<()>>) -> impl IntoView {
    let on_copied = on_copied.unwrap_or_else(|| Callback::new(|()| {}));
    let plain = password.expose().to_owned();
    view! {
        <div class="made-password">
            <p class="made-password-label"><Icon glyph=Glyph::Key />{delivered::PASSWORD}</p>
            <p class="made-password-text"><Copyable name=delivered::PASSWORD value=plain on_copied=on_copied /></p>
            <p class="fine">{delivered::ONCE}</p>
        </div>
    }
}
