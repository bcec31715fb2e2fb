//! The terminal's window: its state, the way back after a lost connection, and the question before a large paste.

use api_types::ConsoleResponse;
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
}

impl TerminalDoor {
    /// For the whole application.
    pub fn provide() {
        provide_context(Self {
            open: RwSignal::new(false),
            console: RwSignal::new(None),
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
    Effect::new(move || {
        attempt.track();
        let Some(element) = host.get() else { return };
        let events = TerminalEvents {
            on_state: Callback::new(move |now| {
                if now == TerminalState::Open {
                    was_open.try_set(true);
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
        handle.with_value(|handle| {
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
    let pasting = move || {
        paste.get().map(|text| {
            let lines = text.lines().count();
            let shown = text.clone();
            view! {
                <div class="paste-guard" role="alertdialog" aria-label=words::PASTE_TITLE>
                    <p><strong>{words::PASTE_TITLE}</strong> " " {words::PASTE_HELP}</p>
                    <pre tabindex="0">{shown}</pre>
                    <div class="actions">
                        <button type="button" class="button primary small" on:click=move |_| { act(&|handle| handle.paste(&text)); paste.set(None); act(&TerminalHandle::focus); }>
                            {words::PASTE_DO} " (" {lines} ")"
                        </button>
                        <button type="button" class="button small" on:click=move |_| { paste.set(None); act(&TerminalHandle::focus); }>{shell::CANCEL}</button>
                    </div>
                </div>
            }
        })
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
            <div class="terminal-host" node_ref=host></div>
            <div class="terminal-keys" role="toolbar" aria-label=words::KEYS>{KEYS.map(key).into_iter().collect_view()}</div>
            {pasting}
        </div>
    }
}
