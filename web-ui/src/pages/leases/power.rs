//! Stopping the container of a lease, after a question, and starting it again.

use api_types::LeaseView;
use leptos::{prelude::*, task::spawn_local};

use crate::{
    components::{Dialog, Glyph, Icon, Notice, Toasts, Tone, words as said},
    engine::{Engine, use_engine},
    state::{
        lease::board::Board,
        lease::clock::{is_off, is_unreachable, is_usable},
    },
    text::{leases, shell},
};

/// The button. It is shown during the paid time while the state of the container is known. It is
/// one button for both actions, so that it keeps the focus.
#[component]
pub fn PowerButton(
    /// The lease.
    lease: Memo<Option<LeaseView>>,
) -> impl IntoView {
    let shown = Memo::new(move |_| {
        lease.with(|lease| {
            let lease = lease.as_ref();
            lease.is_some_and(|lease| is_usable(lease.status) && !is_unreachable(lease))
        })
    });
    let off = Memo::new(move |_| lease.with(|lease| lease.as_ref().is_some_and(is_off)));
    let switch = PowerSwitch::new(lease);
    let asked = RwSignal::new(false);
    let press = move |_| {
        if off.get_untracked() {
            switch.start(true, asked);
        } else {
            asked.set(true);
        }
    };
    let title = move || {
        let name = lease.with(|lease| lease.as_ref().map(|lease| lease.hostname.clone()));
        format!("{} {}", leases::STOP, name.unwrap_or_default())
    };
    let words = move || match (off.get(), switch.busy.get()) {
        (false, false) => leases::STOP,
        (false, true) => leases::STOPPING,
        (true, false) => leases::START,
        (true, true) => leases::STARTING,
    };
    let glyph = move || if off.get() { Glyph::Play } else { Glyph::Stop };
    move || {
        shown.get().then(|| {
            view! {
                <button type="button" class="button small" aria-busy=move || switch.busy.get().to_string()
                    aria-disabled=move || switch.busy.get().to_string() on:click=press>
                    {move || view! { <Icon glyph=glyph() /> }}{said(move || words().to_owned())}
                </button>
                <Dialog open=asked title=Signal::derive(title) class="narrow">
                    <p>{leases::STOP_HELP}</p>
                    <div aria-live="assertive">{move || switch.problem.get().map(|text| view! { <Notice tone=Tone::Danger><p>{text}</p></Notice> })}</div>
                    <div class="actions">
                        <button type="button" class="button primary" disabled=move || switch.busy.get() on:click=move |_| switch.start(false, asked)>
                            {said(move || if switch.busy.get() { leases::STOPPING } else { leases::STOP_DO }.to_owned())}
                        </button>
                        <button type="button" class="button" on:click=move |_| asked.set(false)>{shell::CANCEL}</button>
                    </div>
                </Dialog>
            }
        })
    }
}

/// The action that is under way.
#[derive(Clone, Copy)]
struct PowerSwitch {
    engine: Engine,
    board: Board,
    toasts: Toasts,
    lease: Memo<Option<LeaseView>>,
    busy: RwSignal<bool>,
    problem: RwSignal<Option<String>>,
}

impl PowerSwitch {
    fn new(lease: Memo<Option<LeaseView>>) -> Self {
        Self {
            engine: use_engine(),
            board: Board::get(),
            toasts: Toasts::get(),
            lease,
            busy: RwSignal::new(false),
            problem: RwSignal::new(None),
        }
    }

    /// Starts (`on`) or stops the container. The question closes once that is done.
    fn start(self, on: bool, asked: RwSignal<bool>) {
        let (engine, board, toasts) = (self.engine, self.board, self.toasts);
        let Some(lease) = self.lease.get_untracked() else {
            return;
        };
        if self.busy.get_untracked() {
            return;
        }
        self.busy.set(true);
        self.problem.set(None);
        spawn_local(async move {
            match engine.lease.switch_power(&lease, on).await {
                Ok(now) => {
                    let done = is_off(&now) != on;
                    toasts.show(Tone::Success, leases::switched(&now.hostname, on, done));
                    board.replace(now);
                    asked.try_set(false);
                }
                Err(error) if asked.try_get_untracked() == Some(true) => {
                    self.problem.try_set(Some(error.to_string()));
                }
                Err(error) => toasts.show(Tone::Danger, error.to_string()),
            }
            self.busy.try_set(false);
            board.refresh();
        });
    }
}
