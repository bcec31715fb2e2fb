//! The application: its contexts, the frame, and the page of the address.

use std::time::Duration;

use leptos::prelude::*;

use crate::{
    components::{
        Appearance, Navigation, ToastStack, Toasts, focus_content,
        pay::{Sheet, SheetView},
        terminal::{TerminalOverlay, TerminalWindow},
        wallet::{WalletDialog, WalletOverlay},
    },
    engine::use_engine,
    pages::{self, LeaseWarnings, PAGES},
    pay::PayCard,
    shell::{Banners, Header, Overlays, Shortcuts, idle},
    state::{chat::Chat, lease::board::Board, now::Now, services::Services},
    text::shell,
};

/// How long the page rests before it starts what it needs only when it is idle.
const IDLE_AFTER: Duration = Duration::from_secs(2);

/// The whole application.
#[component]
pub fn App() -> impl IntoView {
    let engine = use_engine();
    Appearance::provide();
    Now::provide();
    Navigation::provide(PAGES.iter().map(|page| page.route).collect());
    Overlays::provide();
    Toasts::provide();
    WalletOverlay::provide();
    TerminalOverlay::provide();
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
    set_timeout(move || idle::start(engine), IDLE_AFTER);
    let route = Navigation::route();
    Effect::new(move || {
        let title = pages::title(route.get());
        document().set_title(&format!("{title} · {}", shell::NAME));
    });
    let page = move || pages::show(route.get());
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
