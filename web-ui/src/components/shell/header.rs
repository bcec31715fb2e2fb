//! The bar at the top: name, pages, budget, wallet.

use leptos::prelude::*;

use super::{PaletteButton, Tabs, ThemeButton};
use crate::{
    components::{pay::BudgetChip, wallet::WalletButton},
    state::route::Route,
    text::shell,
};

/// The bar at the top.
#[component]
pub fn Header() -> impl IntoView {
    view! {
        <header class="topbar">
            <a class="brand" href=Route::Chat.href() aria-label=shell::NAME>
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
