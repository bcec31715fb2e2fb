//! The bar at the top: name, pages, budget, wallet.

use leptos::prelude::*;

use super::{keyboard::PaletteButton, tabs::Tabs};
use crate::{
    components::{ThemeButton, pay::BudgetChip, wallet::WalletButton},
    state::route::Route,
    text::shell,
};

/// The bar at the top.
#[component]
pub fn Header() -> impl IntoView {
    view! {
        <header class="topbar">
            <a class="brand" href=Route::CHAT.href() aria-label=shell::NAME>
                <span class="brand-word">"infra"</span>
                <span class="brand-code">"402"</span>
            </a>
            <Tabs />
            <div class="topbar-end">
                <PaletteButton />
                <BudgetChip />
                <ThemeButton />
                <WalletButton />
            </div>
        </header>
    }
}
