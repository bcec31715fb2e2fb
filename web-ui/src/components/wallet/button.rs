//! The button in the header: connects a wallet, or shows the connected one.

use leptos::prelude::*;

use crate::{
    components::{Glyph, Icon},
    engine::use_engine,
    format::short_address,
    text::wallet,
};

/// Whether the wallet's dialog is open.
#[derive(Clone, Copy)]
pub struct WalletOverlay(RwSignal<bool>);

impl WalletOverlay {
    /// Provides it for the whole application.
    pub fn provide() {
        provide_context(Self(RwSignal::new(false)));
    }

    /// The application's dialog.
    pub fn get() -> Self {
        expect_context()
    }

    /// Opens the dialog.
    pub fn open(self) {
        self.0.set(true);
    }

    /// Whether it is open.
    pub fn is_open(self) -> RwSignal<bool> {
        self.0
    }
}

/// The button in the header.
#[component]
pub fn WalletButton() -> impl IntoView {
    let account = use_engine().wallet.account();
    let overlay = WalletOverlay::get();
    let content = move || {
        match account.get() {
        Some(account) => view! { <WalletIcon icon=account.wallet.icon /> <span class="number notranslate" prop:textContent=short_address(&account.address)></span> }.into_any(),
        None => view! { <Icon glyph=Glyph::Wallet /> <span>{wallet::CONNECT}</span> }.into_any(),
    }
    };
    let class = move || {
        if account.with(Option::is_some) {
            "chip wallet-button"
        } else {
            "chip wallet-button inviting"
        }
    };
    view! {
        <button type="button" class=class aria-haspopup="dialog" on:click=move |_| overlay.open()>{content}</button>
    }
}

/// A wallet's own icon, or ours.
#[component]
pub fn WalletIcon(
    /// A `data:` URL.
    icon: Option<String>,
) -> impl IntoView {
    match icon {
        Some(url) => {
            view! { <img class="wallet-icon" src=url alt="" width="20" height="20" /> }.into_any()
        }
        None => view! { <Icon glyph=Glyph::Wallet /> }.into_any(),
    }
}
