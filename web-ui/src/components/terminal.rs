//! The terminal's window: its state, the buttons to reconnect, and the question before several
//! lines are pasted.

use api_types::{ConsoleResponse, Secret};
use leptos::{html, prelude::*};

use super::{Dialog, Glyph, Icon, pay::Purchase};
use crate::{
    lazy::{LazyChunk, LazyTable},
    pay::PaidOperation,
    state::now::Now,
    terminal::{self, TerminalEvents, TerminalHandle, TerminalState, protocol},
    text::{leases::terminal as words, shell},
};

/// The terminal that is open.
#[derive(Clone, Copy)]
pub struct TerminalOverlay {
    open: RwSignal<bool>,
    console: RwSignal<Option<(ConsoleResponse, String)>>,
    used_tickets: RwSignal<Vec<Secret>>,
}

impl TerminalOverlay {
    /// Provides it for the whole application.
    pub fn provide() {
        provide_context(Self {
            open: RwSignal::new(false),
            console: RwSignal::new(None),
            used_tickets: RwSignal::default(),
        });
    }

    /// The application's terminal.
    pub fn get() -> Self {
        expect_context()
    }

    /// Opens a terminal with a ticket.
    pub fn open(self, console: ConsoleResponse, hostname: String) {
        self.console.set(Some((console, hostname)));
        self.open.set(true);
    }

    /// Marks a ticket that has opened its terminal, or can no longer open it.
    fn mark_used(self, ticket: &Secret) {
        if !self
            .used_tickets
            .with_untracked(|used| used.contains(ticket))
        {
            self.used_tickets.update(|used| used.push(ticket.clone()));
        }
    }

    /// Whether a ticket has opened its terminal already.
    pub fn is_used(self, ticket: &Secret) -> bool {
        self.used_tickets.with(|used| used.contains(ticket))
    }
}

/// The terminal's window.
#[component]
pub fn TerminalWindow() -> impl IntoView {
    let overlay = TerminalOverlay::get();
    let title = Signal::derive(move || {
        let name = overlay
            .console
            .with(|console| console.as_ref().map(|console| console.1.clone()));
        format!(
            "{} · {}",
            crate::text::leases::TERMINAL,
            name.unwrap_or_default()
        )
    });
    view! {
        <Dialog open=overlay.open title=title class="terminal-dialog" on_close=move |()| overlay.console.set(None)>
            {move || overlay.console.get().map(|(console, hostname)| TERMINAL_SCREEN.show(move |screen| screen(console.clone(), hostname.clone())))}
        </Dialog>
    }
}

pub(crate) static TERMINAL_SCREEN: LazyTable<fn(ConsoleResponse, String) -> AnyView> =
    LazyTable::new(LazyChunk::Pages);

/// Keys that a phone lacks, with the bytes that a terminal sends for them.
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

/// The content of the terminal's window.
#[component]
pub(crate) fn TerminalScreen(console: ConsoleResponse, hostname: String) -> impl IntoView {
    let overlay = TerminalOverlay::get();
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
                    overlay.mark_used(&ticket);
                }
                state.try_set(now);
            }),
            on_paste: Callback::new(move |text| {
                paste.try_set(Some(text));
            }),
        };
        handle.set_value(Some(terminal::mount(element.into(), &console, events)));
    });
    let reconnect = Purchase::new(move |receipt| {
        if let Some(console) = receipt.read::<ConsoleResponse>() {
            overlay.open(console, hostname.clone());
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
    // The terminal keeps the focus, so that a phone keeps its keyboard open.
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
        // The terminal cannot have the focus until the question is gone.
        request_animation_frame(move || act(&TerminalHandle::focus));
    });
    let is_asking = Memo::new(move |_| paste.with(Option::is_some));
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
                    <button type="button" class="button small" on:click=move |_| reconnect.start(PaidOperation::Console { ctid })><Icon glyph=Glyph::Refresh />{words::RECONNECT}</button>
                })}
            </p>
            <div class="terminal-host" node_ref=host inert=move || is_asking.get()></div>
            <div class="terminal-keys" role="toolbar" aria-label=words::KEYS inert=move || is_asking.get()>{KEYS.map(key).into_iter().collect_view()}</div>
            {pasting}
        </div>
    }
}

/// The question before several lines are pasted. Until it is answered, the terminal takes no keys.
#[component]
fn PasteGuard(text: String, on_answer: Callback<bool>) -> impl IntoView {
    let lines = text.lines().count();
    let no = NodeRef::<html::Button>::new();
    Effect::new(move || {
        if let Some(no) = no.get() {
            // A button of an open dialog can have the focus.
            let _ = no.focus();
        }
    });
    let key = move |event: web_sys::KeyboardEvent| {
        if event.key() == "Escape" {
            // The dialog around it stays open.
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
