//! The page of an address that leads nowhere.

use leptos::prelude::*;

use crate::{state::route::Route, text::shell};

/// Says so, with a link to the chat.
#[component]
pub fn UnknownPage() -> impl IntoView {
    view! {
        <div class="page">
            <h1>{shell::UNKNOWN}</h1>
            <p><a href=Route::CHAT.href()>{shell::UNKNOWN_BACK}</a></p>
        </div>
    }
}
