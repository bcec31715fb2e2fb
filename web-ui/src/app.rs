//! The application: its contexts, and the page that the address names.

use leptos::prelude::*;

use crate::{
    components::{
        ToastStack, Toasts,
        pay::{Sheet, SheetView},
        shell::{Appearance, Banners, ExpiryWatch, Header, Navigation, Shortcuts, focus_content},
        terminal::{TerminalDoor, TerminalWindow},
        wallet::{WalletDialog, WalletDoor},
    },
    engine::use_engine,
    pages::{ChatPage, LeasesPage, ReceiptsPage, SettingsPage},
    pay::PayCard,
    state::{board::Board, chat::Chat, now::Now, route::Route, services::Services},
    text::shell,
};

/// The whole application.
#[component]
pub fn App() -> impl IntoView {
    let engine = use_engine();
    Appearance::provide();
    Now::provide();
    Navigation::provide();
    Toasts::provide();
    WalletDoor::provide();
    TerminalDoor::provide();
    Services::provide(engine);
    Board::provide(engine);
    Sheet::provide(engine);
    Chat::provide(engine);
    let board = Board::get();
    engine.pay.on_settled(Callback::new(move |_: PayCard| {
        board.refresh();
        engine.wallet.refresh_balance();
    }));
    let route = Navigation::route();
    let page = move || match route.get() {
        Route::Chat => view! { <ChatPage /> }.into_any(),
        Route::Leases => view! { <LeasesPage /> }.into_any(),
        Route::Receipts => view! { <ReceiptsPage /> }.into_any(),
        Route::Settings => view! { <SettingsPage /> }.into_any(),
        Route::Unknown => view! { <UnknownPage /> }.into_any(),
    };
    let skip = move |event: web_sys::MouseEvent| {
        event.prevent_default();
        focus_content();
    };
    view! {
        <a class="skip" href="#content" on:click=skip>{shell::SKIP}</a>
        <div class="app">
            <Header />
            <Banners />
            <main id="content" class="content" tabindex="-1">{page}</main>
        </div>
        <WalletDialog />
        <TerminalWindow />
        <SheetView />
        <Shortcuts />
        <ExpiryWatch />
        <ToastStack />
    }
}

#[component]
fn UnknownPage() -> impl IntoView {
    view! {
        <div class="page">
            <h1>{shell::UNKNOWN}</h1>
            <p><a href=Route::Chat.href()>{shell::UNKNOWN_BACK}</a></p>
        </div>
    }
}
