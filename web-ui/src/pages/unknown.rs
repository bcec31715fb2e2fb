//! An address that leads nowhere.

use leptos::prelude::*;

use crate::{state::route::Route, text::shell};

/// Says so, and where to go.
#[component]
pub fn UnknownPage() -> impl IntoView {
    view! {
        <div class="page">
            <h1>{shell::UNKNOWN}</h1>
            <p><a href=Route::Chat.href()>{shell::UNKNOWN_BACK}</a></p>
        </div>
    }
}
