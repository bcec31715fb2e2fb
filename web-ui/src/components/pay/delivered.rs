//! What a new container's owner needs: its number, its address, its password (once), and until when it runs.

use api_types::{LeaseResponse, Secret};
use leptos::prelude::*;

use crate::{
    components::{Copyable, Fact, Glyph, Icon, Moment},
    state::route::Route,
    text::{leases, money::delivered},
};

/// A new container.
#[component]
pub fn Delivered(
    /// The answer of the lease service.
    lease: LeaseResponse,
    /// Its password was shown, and is not here any more.
    #[prop(optional)]
    was_shown: bool,
    /// The password is copied.
    #[prop(optional, into)]
    on_copied: Option<Callback<()>>,
    /// Goes to the board, where more has to be done for that than to follow a link.
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
                <Fact name=delivered::UNTIL><Moment at=lease.expires_at /></Fact>
            </dl>
            {lease.password.map(|password| view! { <MadePassword password=password on_copied=on_copied /> })}
            {was_shown.then(|| view! { <p class="fine">{delivered::SHOWN}</p> })}
            <a class="button small" href=Route::Leases.href() on:click=to_board><Icon glyph=Glyph::Server />{delivered::TO_BOARD}</a>
        </div>
    }
}

#[component]
fn MadePassword(password: Secret, on_copied: Option<Callback<()>>) -> impl IntoView {
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
