//! The list of commands: a box to write in, and below it what fits. The keyboard stays in the box; the row that it would choose is told
//! by `aria-activedescendant`.

use leptos::{html, prelude::*};
use wasm_bindgen::{JsCast, closure::Closure};

use super::{Appearance, Doors, Navigation, focus_on};
use crate::{
    components::{Glyph, Icon, wallet::WalletDoor},
    engine::{Engine, use_engine},
    state::{
        board::Board,
        chat::Chat,
        palette::{Command, Entry, Situation, entries, found, step},
        route::{Errand, Route},
        theme::Theme,
    },
    text::{chat, palette},
};

const LIST: &str = "palette-list";

fn id_of(place: usize) -> String {
    format!("palette-{place}")
}

/// The list of commands.
#[component]
pub fn Palette() -> impl IntoView {
    let doors = Doors::get();
    let desk = Desk::here();
    Board::get().refresh();
    let typed = RwSignal::new(String::new());
    let all = desk.entries();
    let rows = Memo::new(move |_| all.with(|all| typed.with(|typed| found(all, typed))));
    let count = Memo::new(move |_| rows.with(Vec::len));
    let place = RwSignal::new(0);
    // What is found by other words is other rows; the list can also change by itself.
    Effect::new(move || {
        rows.track();
        place.set(0);
        show(0);
    });
    let choose = move |place: usize| {
        let command = rows.with_untracked(|rows| rows.get(place).map(|row| row.command.clone()));
        if let Some(command) = command {
            doors.leave_palette_to(move || desk.perform(command));
        }
    };
    let pressed = move |event: web_sys::KeyboardEvent| {
        let down = match event.key().as_str() {
            // While a composed character is being chosen, the keys choose it.
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
        place.update(|place| *place = step(*place, down, count.get_untracked()));
        show(place.get_untracked());
    };
    let row = move |(at, entry): (usize, Entry)| {
        view! {
            <li id=id_of(at) role="option" class="palette-row" aria-selected=move || (place.get() == at).to_string()
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
            // A dialog that has just been opened gives the focus to its first button.
            request_animation_frame(move || drop(input.focus()));
        }
    });
    let active = move || (count.get() > 0).then(|| id_of(place.get()));
    view! {
        <div class="palette-box">
            <input type="text" class="palette-search" role="combobox" autocomplete="off" autocapitalize="none" spellcheck="false" autofocus node_ref=node
                aria-label=palette::SEARCH placeholder=palette::PLACEHOLDER aria-autocomplete="list" aria-controls=LIST
                aria-expanded=move || (count.get() > 0).to_string() aria-activedescendant=active
                on:input=move |event| typed.set(event_target_value(&event)) on:keydown=pressed />
        </div>
        // The box keeps the keyboard while a row is pressed.
        <ul id=LIST class="palette-list" role="listbox" aria-label=palette::TITLE on:mousedown=|event| event.prevent_default()>
            {move || rows.get().into_iter().enumerate().map(row).collect_view()}
        </ul>
        <p class="fine palette-count" role="status">{move || palette::count(count.get())}</p>
    }
}

/// Scrolls a row into sight.
fn show(place: usize) {
    request_animation_frame(move || {
        if let Some(row) = document().get_element_by_id(&id_of(place)) {
            let nearest = web_sys::ScrollIntoViewOptions::new();
            nearest.set_block(web_sys::ScrollLogicalPosition::Nearest);
            row.scroll_into_view_with_scroll_into_view_options(&nearest);
        }
    });
}

fn glyph(command: &Command) -> Glyph {
    match command {
        Command::NewChat | Command::OnBoard(Errand::Form) => Glyph::Plus,
        Command::OnBoard(Errand::Terminal(_)) => Glyph::Prompt,
        Command::OnBoard(Errand::Run(_)) => Glyph::Play,
        Command::OnBoard(Errand::Renew(_)) => Glyph::Clock,
        Command::Go(Route::Leases) => Glyph::Server,
        Command::Go(Route::Receipts) => Glyph::Receipt,
        Command::Go(Route::Settings) => Glyph::Sliders,
        Command::Go(_) | Command::Conversation(_) => Glyph::Chat,
        Command::Wallet => Glyph::Wallet,
        Command::Disconnect => Glyph::Leave,
        Command::Theme(Theme::System) => Glyph::Screen,
        Command::Theme(Theme::Light) => Glyph::Sun,
        Command::Theme(Theme::Dark) => Glyph::Moon,
        Command::Keys => Glyph::Menu,
    }
}

/// What the commands work on.
#[derive(Clone, Copy)]
struct Desk {
    engine: Engine,
    chat: Chat,
    board: Board,
    navigation: Navigation,
    wallet: WalletDoor,
    theme: RwSignal<Theme>,
    doors: Doors,
}

impl Desk {
    fn here() -> Self {
        Self {
            engine: use_engine(),
            chat: Chat::get(),
            board: Board::get(),
            navigation: Navigation::get(),
            wallet: WalletDoor::get(),
            theme: Appearance::get(),
            doors: Doors::get(),
        }
    }

    fn entries(self) -> Memo<Vec<Entry>> {
        let (account, leases) = (self.engine.wallet.account(), self.board.leases());
        let (kept, theme) = (self.chat.kept(), self.theme);
        Memo::new(move |_| {
            let conversations: Vec<(String, String)> = kept.with(|kept| {
                let all = kept.conversations.iter();
                all.map(|one| {
                    let title = one.title().unwrap_or_else(|| chat::UNTITLED.to_owned());
                    (one.id.clone(), title)
                })
                .collect()
            });
            leases.with(|leases| {
                entries(Situation {
                    connected: account.with(Option::is_some),
                    theme: theme.get(),
                    leases: leases.as_deref().unwrap_or_default(),
                    conversations: &conversations,
                })
            })
        })
    }

    fn perform(self, command: Command) {
        match command {
            Command::NewChat => {
                self.chat.begin();
                go_to_message();
            }
            Command::Go(page) => Navigation::go(page),
            Command::OnBoard(errand) => self.navigation.go_for(errand),
            Command::Wallet => self.wallet.open(),
            Command::Disconnect => self.engine.wallet.disconnect(),
            Command::Theme(theme) => self.theme.set(theme),
            Command::Keys => self.doors.keys.set(true),
            Command::Conversation(id) => {
                self.chat.open(&id);
                Navigation::go(Route::Chat);
            }
        }
    }
}

/// Goes to the chat, and to the box to write in.
fn go_to_message() {
    if Navigation::current() == Route::Chat {
        return focus_on("message");
    }
    Navigation::go(Route::Chat);
    // The page is there a moment after its address.
    let arrived = || request_animation_frame(|| focus_on("message"));
    let once = web_sys::AddEventListenerOptions::new();
    once.set_once(true);
    // A window that takes no listeners leaves the focus on the page.
    let _ = window().add_event_listener_with_callback_and_add_event_listener_options(
        "hashchange",
        Closure::once_into_js(arrived).unchecked_ref(),
        &once,
    );
}
