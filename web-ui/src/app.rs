//! The application: its contexts, the page that the address names, and what is loaded once that is there.

use std::time::Duration;

use leptos::prelude::*;

use crate::{
    components::{
        ToastStack, Toasts, begin,
        pay::{SLIP, Sheet, SheetView},
        shell::{Appearance, Banners, Doors, Header, Navigation, Shortcuts, focus_content},
        terminal::{TerminalDoor, TerminalWindow},
        wallet::{WALLET, WalletDialog, WalletDoor},
    },
    engine::{clock, use_engine},
    pages::{ChatPage, LeaseWarnings, PAGES, TURN},
    pay::{DRIVER, PayCard},
    state::{
        board::Board,
        chat::{Chat, TALK},
        now::Now,
        route::Route,
        services::Services,
    },
    text::shell,
};

/// The whole application.
#[component]
pub fn App() -> impl IntoView {
    let engine = use_engine();
    Appearance::provide();
    Now::provide();
    Navigation::provide();
    Doors::provide();
    Toasts::provide();
    WalletDoor::provide();
    TerminalDoor::provide();
    Services::provide(engine);
    Board::provide(engine);
    Sheet::provide(engine);
    Chat::provide(engine);
    let (board, sheet) = (Board::get(), Sheet::get());
    engine.pay.on_settled(Callback::new(move |card: PayCard| {
        sheet.paid(&card);
        board.refresh();
        engine.wallet.refresh_balance();
    }));
    set_timeout(move || begin(engine), Duration::from_secs(REST.into()));
    let route = Navigation::route();
    let page = move || match route.get() {
        Route::Chat => view! { <ChatPage /> }.into_any(),
        Route::Leases => PAGES.show(|pages| (pages.leases)()),
        Route::Receipts => PAGES.show(|pages| (pages.receipts)()),
        Route::Settings => PAGES.show(|pages| (pages.settings)()),
        Route::Unknown => PAGES.show(|pages| (pages.unknown)()),
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
            <ToastStack />
            <main id="content" class="content" tabindex="-1">{page}</main>
        </div>
        <WalletDialog />
        <TerminalWindow />
        <SheetView />
        <Shortcuts />
        <LeaseWarnings />
    }
}

/// How long the page rests before it loads what may be wanted next, in seconds.
const REST: u32 = 2;

/// Loads what the page on the screen does without, so that nobody waits for it later. The terminal's window is not among it: few
/// visitors open one.
pub async fn load_the_rest() {
    clock::pause(REST).await;
    TALK.prefetch();
    TURN.prefetch();
    WALLET.prefetch();
    DRIVER.prefetch();
    SLIP.prefetch();
    PAGES.prefetch();
}
