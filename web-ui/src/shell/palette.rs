//! The command palette: a search box, and the matching commands below it. The focus stays in the
//! box; `aria-activedescendant` tells the selected row.

use leptos::{html, prelude::*};
use wasm_bindgen::{JsCast, closure::Closure};

use super::Overlays;
use crate::{
    components::{
        Appearance, Glyph, Icon, Navigation, focus_id, theme_icon, wallet::WalletOverlay,
    },
    engine::{Engine, use_engine},
    pages::{self, PAGES},
    state::{
        chat::Chat,
        lease::board::Board,
        palette::{PaletteCommand, PaletteContext, PaletteEntry, entries, move_selection, search},
        route::{PendingAction, Route},
        theme::Theme,
    },
    text::{chat, palette},
};

const LIST: &str = "palette-list";

fn row_id(row: usize) -> String {
    format!("palette-{row}")
}

/// The command palette.
#[component]
pub fn Palette() -> impl IntoView {
    let overlays = Overlays::get();
    let targets = CommandTargets::from_context();
    Board::get().refresh();
    let typed = RwSignal::new(String::new());
    let all = targets.entries();
    let rows = Memo::new(move |_| all.with(|all| typed.with(|typed| search(all, typed))));
    let count = Memo::new(move |_| rows.with(Vec::len));
    let place = RwSignal::new(0);
    // The rows change with the search, and when the available commands change.
    Effect::new(move || {
        rows.track();
        place.set(0);
        show(0);
    });
    let choose = move |place: usize| {
        let command = rows.with_untracked(|rows| rows.get(place).map(|row| row.command.clone()));
        if let Some(command) = command {
            overlays.close_palette_and(move || targets.perform(command));
        }
    };
    let pressed = move |event: web_sys::KeyboardEvent| {
        let down = match event.key().as_str() {
            // While a character is being composed, the keys belong to the input method.
            _ if event.is_composing() => return,
            "Enter" => {
                event.prevent_default();
                choose(place.get_untracked());
                return;
            }
            "ArrowDown" => true,
            "ArrowUp" => false,
            _ => return,
        };
        event.prevent_default();
        place.update(|place| *place = move_selection(*place, down, count.get_untracked()));
        show(place.get_untracked());
    };
    let row = move |(at, entry): (usize, PaletteEntry)| {
        view! {
            <li id=row_id(at) role="option" class="palette-row" aria-selected=move || (place.get() == at).to_string()
                on:mousemove=move |_| { if place.get_untracked() != at { place.set(at); } } on:click=move |_| choose(at)>
                <Icon glyph=glyph(&entry.command) />
                <span class="palette-label">{entry.label}</span>
                <span class="palette-note">{entry.note}</span>
                {entry.key.map(|key| view! { <kbd>{key}</kbd> })}
            </li>
        }
    };
    let node = NodeRef::<html::Input>::new();
    Effect::new(move || {
        if let Some(input) = node.get() {
            // A dialog that opens focuses its first button.
            request_animation_frame(move || drop(input.focus()));
        }
    });
    let active = move || (count.get() > 0).then(|| row_id(place.get()));
    view! {
        <div class="palette-box">
            <input type="text" class="palette-search" role="combobox" autocomplete="off" autocapitalize="none" spellcheck="false" autofocus node_ref=node
                aria-label=palette::SEARCH placeholder=palette::PLACEHOLDER aria-autocomplete="list" aria-controls=LIST
                aria-expanded=move || (count.get() > 0).to_string() aria-activedescendant=active
                on:input=move |event| typed.set(event_target_value(&event)) on:keydown=pressed />
        </div>
        // The box keeps the focus while a row is pressed.
        <ul id=LIST class="palette-list" role="listbox" aria-label=palette::TITLE on:mousedown=|event| event.prevent_default()>
            {move || rows.get().into_iter().enumerate().map(row).collect_view()}
        </ul>
        <p class="fine palette-count" role="status">{move || palette::count(count.get())}</p>
    }
}

/// Scrolls a row into view.
fn show(place: usize) {
    request_animation_frame(move || {
        if let Some(row) = document().get_element_by_id(&row_id(place)) {
            let nearest = web_sys::ScrollIntoViewOptions::new();
            nearest.set_block(web_sys::ScrollLogicalPosition::Nearest);
            row.scroll_into_view_with_scroll_into_view_options(&nearest);
        }
    });
}

fn glyph(command: &PaletteCommand) -> Glyph {
    match command {
        PaletteCommand::NewChat | PaletteCommand::OnBoard(PendingAction::OpenForm) => Glyph::Plus,
        PaletteCommand::OnBoard(PendingAction::OpenTerminal(_)) => Glyph::Prompt,
        PaletteCommand::OnBoard(PendingAction::RunCommand(_)) => Glyph::Play,
        PaletteCommand::OnBoard(PendingAction::Renew(_)) => Glyph::Clock,
        PaletteCommand::Go(route) => pages::find(*route).map_or(Glyph::Chat, |page| page.icon),
        PaletteCommand::Conversation(_) => Glyph::Chat,
        PaletteCommand::Wallet => Glyph::Wallet,
        PaletteCommand::Disconnect => Glyph::Leave,
        PaletteCommand::Theme(theme) => theme_icon(*theme),
        PaletteCommand::Keys => Glyph::Menu,
    }
}

/// What the commands change.
#[derive(Clone, Copy)]
struct CommandTargets {
    engine: Engine,
    chat: Chat,
    board: Board,
    navigation: Navigation,
    wallet: WalletOverlay,
    theme: RwSignal<Theme>,
    overlays: Overlays,
}

impl CommandTargets {
    fn from_context() -> Self {
        Self {
            engine: use_engine(),
            chat: Chat::get(),
            board: Board::get(),
            navigation: Navigation::get(),
            wallet: WalletOverlay::get(),
            theme: Appearance::get(),
            overlays: Overlays::get(),
        }
    }

    fn entries(self) -> Memo<Vec<PaletteEntry>> {
        let (account, leases) = (self.engine.wallet.account(), self.board.leases());
        let (history, theme) = (self.chat.stored(), self.theme);
        Memo::new(move |_| {
            let conversations: Vec<(String, String)> = history.with(|history| {
                let all = history.conversations.iter();
                all.map(|one| {
                    let title = one.title().unwrap_or_else(|| chat::UNTITLED.to_owned());
                    (one.id.clone(), title)
                })
                .collect()
            });
            leases.with(|leases| {
                entries(PaletteContext {
                    pages: &PAGES
                        .each_ref()
                        .map(|page| (page.route, page.title, page.key)),
                    connected: account.with(Option::is_some),
                    theme: theme.get(),
                    leases: leases.as_deref().unwrap_or_default(),
                    conversations: &conversations,
                })
            })
        })
    }

    fn perform(self, command: PaletteCommand) {
        match command {
            PaletteCommand::NewChat => {
                self.chat.start_new();
                go_to_message(self.navigation);
            }
            PaletteCommand::Go(page) => Navigation::go(page),
            PaletteCommand::OnBoard(action) => self.navigation.go_for(action),
            PaletteCommand::Wallet => self.wallet.open(),
            PaletteCommand::Disconnect => self.engine.wallet.disconnect(),
            PaletteCommand::Theme(theme) => self.theme.set(theme),
            PaletteCommand::Keys => self.overlays.keys.set(true),
            PaletteCommand::Conversation(id) => {
                self.chat.open(&id);
                Navigation::go(Route::CHAT);
            }
        }
    }
}

/// Goes to the message box of the chat.
fn go_to_message(navigation: Navigation) {
    if navigation.current() == Some(Route::CHAT) {
        return focus_id("message");
    }
    Navigation::go(Route::CHAT);
    // The page is built after the address has changed.
    let arrived = || request_animation_frame(|| focus_id("message"));
    let once = web_sys::AddEventListenerOptions::new();
    once.set_once(true);
    // If the listener cannot be added, the focus stays on the page.
    let _ = window().add_event_listener_with_callback_and_add_event_listener_options(
        "hashchange",
        Closure::once_into_js(arrived).unchecked_ref(),
        &once,
    );
}
