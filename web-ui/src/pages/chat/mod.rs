//! The chat: the stored conversations at the side, the log, the message box, and the quick form if
//! there is room. On a phone there is a line with the wallet's leases above the box.

mod composer;
pub(crate) mod history;
pub(crate) mod log;
mod thinking;
pub(crate) mod turn;
mod welcome;

use leptos::prelude::*;

use self::{composer::Composer, history::HistoryPanel, log::Log};
use crate::{
    components::{Dialog, Glyph, Icon},
    pages::leases::{LeaseFormPanel, MobileLeases},
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
                    <button type="button" class="icon-button" aria-label=chat::NEW title=chat::NEW on:click=move |_| state.start_new()>
                        <Icon glyph=Glyph::Plus />
                    </button>
                </div>
                <Log />
                <MobileLeases />
                <Composer />
            </section>
            <aside class="chat-rail" aria-label=crate::text::leases::form::TITLE><LeaseFormPanel /></aside>
        </div>
        <Dialog open=drawer title=chat::CONVERSATIONS class="drawer">
            <HistoryPanel on_choice=move |()| drawer.set(false) />
        </Dialog>
    }
}
