//! Talking to the agent: the conversations at the side, the log, the box to write in, and the quick form beside them
//! where there is room. On a phone the wallet's leases are in reach above the box.

mod composer;
mod history;
mod log;
mod turn;
mod welcome;

use leptos::prelude::*;

pub use self::log::TURN;
use self::{composer::Composer, history::HistoryPanel, log::Log};
use crate::{
    components::{Dialog, Glyph, Icon},
    pages::leases::{LeaseFormPanel, LeasesInReach},
    state::chat::Chat,
    text::chat,
};

/// The chat page.
#[component]
pub fn ChatPage() -> impl IntoView {
    let drawer = RwSignal::new(false);
    let state = Chat::get();
    view! {
        <div class="chat">
            <aside class="chat-side" aria-label=chat::CONVERSATIONS><HistoryPanel on_choice=|()| () /></aside>
            <section class="chat-main">
                <h1 class="hidden">{chat::LOG}</h1>
                <div class="chat-tools">
                    <button type="button" class="icon-button" aria-label=chat::SHOW_CONVERSATIONS title=chat::SHOW_CONVERSATIONS on:click=move |_| drawer.set(true)>
                        <Icon glyph=Glyph::Menu />
                    </button>
                    <button type="button" class="icon-button" aria-label=chat::NEW title=chat::NEW on:click=move |_| state.begin()>
                        <Icon glyph=Glyph::Plus />
                    </button>
                </div>
                <Log />
                <LeasesInReach />
                <Composer />
            </section>
            <aside class="chat-rail" aria-label=crate::text::leases::form::TITLE><LeaseFormPanel /></aside>
        </div>
        <Dialog open=drawer title=chat::CONVERSATIONS class="drawer">
            <HistoryPanel on_choice=move |()| drawer.set(false) />
        </Dialog>
    }
}
