//! The button in the header: connects a wallet, or shows which one is.

use leptos::prelude::*;

use crate::{
    components::{Glyph, Icon},
    engine::use_engine,
    format::short_address,
    text::wallet,
};

/// Whether the wallet's dialog is open.
#[derive(Clone, Copy)]
pub struct WalletDoor(RwSignal<bool>);

impl WalletDoor {
    /// For the whole application.
    pub fn provide() {
        provide_context(Self(RwSignal::new(false)));
    }

    /// The application's.
    pub fn get() -> Self {
        expect_context()
    }

    /// Opens the dialog.
    pub fn open(self) {
        self.0.set(true);
    }

    /// Whether it is open.
    pub fn state(self) -> RwSignal<bool> {
        self.0
    }
}

/// The button in the header.
#[component]
pub fn WalletButton() -> impl IntoView {
    let account = use_engine().wallet.account();
    let door = WalletDoor::get();
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
        <button type="button" class=class aria-haspopup="dialog" on:click=move |_| door.open()>{content}</button>
    }
}

/// A wallet's own picture, or ours.
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
