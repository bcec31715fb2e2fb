//! The terminal's window: its state, the way back after a lost connection, and the question before several lines are pasted.

use api_types::{ConsoleResponse, Secret};
use leptos::{html, prelude::*};
use wasm_split_helpers::wasm_split;

use super::{Dialog, Glyph, Icon, pay::Purchase};
use crate::{
    part::{NotLoaded, Part},
    pay::Call,
    state::now::Now,
    terminal::{self, TerminalEvents, TerminalHandle, TerminalState, protocol},
    text::{leases::terminal as words, shell},
};

/// The console that is open.
#[derive(Clone, Copy)]
pub struct TerminalDoor {
    open: RwSignal<bool>,
    console: RwSignal<Option<(ConsoleResponse, String)>>,
    spent: RwSignal<Vec<Secret>>,
}

impl TerminalDoor {
    /// For the whole application.
    pub fn provide() {
        provide_context(Self {
            open: RwSignal::new(false),
            console: RwSignal::new(None),
            spent: RwSignal::default(),
        });
    }

    /// The application's.
    pub fn get() -> Self {
        expect_context()
    }

    /// Opens a console.
    pub fn open(self, console: ConsoleResponse, hostname: String) {
        self.console.set(Some((console, hostname)));
        self.open.set(true);
    }

    /// A ticket has opened its console, or will never.
    fn spend(self, ticket: &Secret) {
        if !self.spent.with_untracked(|spent| spent.contains(ticket)) {
            self.spent.update(|spent| spent.push(ticket.clone()));
        }
    }

    /// Whether a ticket has opened its console already.
    pub fn is_spent(self, ticket: &Secret) -> bool {
        self.spent.with(|spent| spent.contains(ticket))
    }
}

/// The terminal's window.
#[component]
pub fn TerminalWindow() -> impl IntoView {
    let door = TerminalDoor::get();
    let title = Signal::derive(move || {
        let name = door
            .console
            .with(|console| console.as_ref().map(|console| console.1.clone()));
        format!(
            "{} · {}",
            crate::text::leases::TERMINAL,
            name.unwrap_or_default()
        )
    });
    view! {
        <Dialog open=door.open title=title class="terminal-dialog" on_close=move |()| door.console.set(None)>
            {move || door.console.get().map(|(console, hostname)| SCREEN.show(move |screen| screen(console.clone(), hostname.clone())))}
        </Dialog>
    }
}

/// What the window shows.
static SCREEN: Part<fn(ConsoleResponse, String) -> AnyView> = Part::new(|| Box::pin(screen()));

#[wasm_split(pages, fallible)]
fn screen() -> Result<fn(ConsoleResponse, String) -> AnyView, NotLoaded> {
    Ok(|console, hostname| view! { <Screen console=console hostname=hostname /> }.into_any())
}

/// Keys that a phone lacks, with what a terminal sends for them.
const KEYS: [(&str, &str); 8] = [
    ("Esc", "\u{1b}"),
    ("Tab", "\t"),
    ("Ctrl-C", "\u{3}"),
    ("Ctrl-D", "\u{4}"),
    ("↑", "\u{1b}[A"),
    ("↓", "\u{1b}[B"),
    ("←", "\u{1b}[D"),
    ("→", "\u{1b}[C"),
];

fn state_words(state: &TerminalState) -> String {
    match state {
        TerminalState::Loading => words::LOADING.to_owned(),
        TerminalState::Connecting => words::CONNECTING.to_owned(),
        TerminalState::Open => words::OPEN.to_owned(),
        TerminalState::Closed { reason, .. } if reason.is_empty() => words::CLOSED.to_owned(),
        TerminalState::Closed { reason, .. } => format!("{}: {reason}", words::CLOSED),
        TerminalState::Failed(reason) => reason.clone(),
    }
}

#[component]
fn Screen(console: ConsoleResponse, hostname: String) -> impl IntoView {
    let door = TerminalDoor::get();
    let host = NodeRef::<html::Div>::new();
    let state = RwSignal::new(TerminalState::Loading);
    let paste = RwSignal::new(None::<String>);
    let handle = StoredValue::new_local(None::<TerminalHandle>);
    let ctid = console.ctid;
    let (was_open, attempt) = (RwSignal::new(false), RwSignal::new(0_u32));
    let (expires_at, now) = (console.expires_at.unix(), Now::get());
    let unused = Memo::new(move |_| {
        let (was_open, now) = (was_open.get(), now.get());
        state.with(|state| protocol::is_unused(state, was_open, expires_at, now))
    });
    let ticket = console.ticket.clone();
    Effect::new(move || {
        attempt.track();
        let Some(element) = host.get() else { return };
        let ticket = ticket.clone();
        let events = TerminalEvents {
            on_state: Callback::new(move |now| {
                if now == TerminalState::Open {
                    was_open.try_set(true);
                }
                let over = matches!(now, TerminalState::Closed { .. })
                    && !protocol::is_unused(&now, false, expires_at, 0);
                if now == TerminalState::Open || over {
                    door.spend(&ticket);
                }
                state.try_set(now);
            }),
            on_paste: Callback::new(move |text| {
                paste.try_set(Some(text));
            }),
        };
        handle.set_value(Some(terminal::mount(element.into(), &console, events)));
    });
    let again = Purchase::new(move |receipt| {
        if let Some(console) = receipt.read::<ConsoleResponse>() {
            door.open(console, hostname.clone());
        }
    });
    let over = move || {
        state.with(|state| {
            matches!(
                state,
                TerminalState::Closed { .. } | TerminalState::Failed(_)
            )
        })
    };
    let act = move |action: &dyn Fn(&TerminalHandle)| {
        // The window may have been closed since.
        handle.try_with_value(|handle| {
            if let Some(handle) = handle {
                action(handle);
            }
        });
    };
    // The terminal keeps the focus, and with it a phone its keyboard.
    let key = move |(name, bytes): (&'static str, &'static str)| {
        view! {
            <button type="button" on:mousedown=|event| event.prevent_default() on:click=move |_| act(&|handle| handle.send(bytes))>{name}</button>
        }
    };
    let answer = Callback::new(move |yes: bool| {
        if let Some(text) = paste.try_update(Option::take).flatten()
            && yes
        {
            act(&|handle| handle.paste(&text));
        }
        // The terminal takes no focus until the question has gone.
        request_animation_frame(move || act(&TerminalHandle::focus));
    });
    let asked = Memo::new(move |_| paste.with(Option::is_some));
    let pasting = move || {
        paste
            .get()
            .map(|text| view! { <PasteGuard text=text on_answer=answer /> })
    };
    view! {
        <div class="terminal">
            <p class="terminal-state" role="status">
                <span class="dot" data-open=move || state.with(|state| matches!(state, TerminalState::Open)).to_string()></span>
                {move || state.with(state_words)}
                {move || unused.get().then(|| view! {
                    <button type="button" class="button small" on:click=move |_| attempt.update(|attempt| *attempt += 1)><Icon glyph=Glyph::Refresh />{shell::RETRY}</button>
                })}
                {move || (over() && !unused.get()).then(|| view! {
                    <button type="button" class="button small" on:click=move |_| again.start(Call::Console { ctid })><Icon glyph=Glyph::Refresh />{words::RECONNECT}</button>
                })}
            </p>
            <div class="terminal-host" node_ref=host inert=move || asked.get()></div>
            <div class="terminal-keys" role="toolbar" aria-label=words::KEYS inert=move || asked.get()>{KEYS.map(key).into_iter().collect_view()}</div>
            {pasting}
        </div>
    }
}

/// The question before several lines are pasted. Until it is answered, nothing else in the terminal takes a key.
#[component]
fn PasteGuard(text: String, on_answer: Callback<bool>) -> impl IntoView {
    let lines = text.lines().count();
    let no = NodeRef::<html::Button>::new();
    Effect::new(move || {
        if let Some(no) = no.get() {
            // A button of a dialog that is open takes the focus.
            let _ = no.focus();
        }
    });
    let key = move |event: web_sys::KeyboardEvent| {
        if event.key() == "Escape" {
            // The dialog around it stays.
            event.prevent_default();
            event.stop_propagation();
            on_answer.run(false);
        }
    };
    view! {
        <div class="paste-guard" role="alertdialog" aria-label=words::PASTE_TITLE aria-describedby="paste-help" on:keydown=key>
            <p id="paste-help"><strong>{words::PASTE_TITLE}</strong> " " {words::PASTE_HELP}</p>
            <pre tabindex="0">{text}</pre>
            <div class="actions">
                <button type="button" class="button primary small" on:click=move |_| on_answer.run(true)>{words::PASTE_DO} " (" {lines} ")"</button>
                <button type="button" class="button small" node_ref=no on:click=move |_| on_answer.run(false)>{shell::CANCEL}</button>
            </div>
        </div>
    }
}
