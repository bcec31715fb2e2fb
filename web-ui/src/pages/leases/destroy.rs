//! Destroying a lease, after its name was typed.

use leptos::{html, prelude::*, task::spawn_local};

use crate::{
    components::{Dialog, Notice, Toasts, Tone, focus_quietly},
    engine::use_engine,
    state::lease::board::Board,
    text::{leases, shell},
};

/// The dialog.
#[component]
pub fn DestroyDialog(
    /// Whether it is open.
    open: RwSignal<bool>,
    /// The container.
    ctid: u32,
    /// Its name, which has to be typed.
    hostname: String,
) -> impl IntoView {
    let title = format!("{} {hostname}", leases::DESTROY);
    view! {
        <Dialog open=open title=title class="narrow">
            <Question open=open ctid=ctid hostname=hostname.clone() />
        </Dialog>
    }
}

#[component]
fn Question(open: RwSignal<bool>, ctid: u32, hostname: String) -> impl IntoView {
    let engine = use_engine();
    let board = Board::get();
    let toasts = Toasts::get();
    let typed = RwSignal::new(String::new());
    let busy = RwSignal::new(false);
    let problem = RwSignal::new(None::<String>);
    let wanted = hostname.clone();
    let field = NodeRef::<html::Input>::new();
    Effect::new(move || {
        if let Some(field) = field.get() {
            // The dialog opens after this and focuses its first button.
            request_animation_frame(move || focus_quietly(&field));
        }
    });
    let matches = Memo::new(move |_| typed.with(|typed| typed.trim() == wanted));
    let label = leases::destroy_type(&hostname);
    let destroy = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        if !matches.get_untracked() || busy.get_untracked() {
            return;
        }
        busy.set(true);
        let hostname = hostname.clone();
        spawn_local(async move {
            match engine.lease.destroy(ctid).await {
                Ok(()) => {
                    toasts.show(Tone::Success, leases::destroyed(&hostname));
                    open.set(false);
                    board.refresh();
                }
                Err(error) => {
                    problem.try_set(Some(error.to_string()));
                }
            }
            busy.try_set(false);
        });
    };
    view! {
        <form on:submit=destroy>
            <p>{leases::DESTROY_HELP}</p>
            <label class="field">
                <span>{label}</span>
                <input type="text" node_ref=field autocomplete="off" spellcheck="false" autocapitalize="none" prop:value=typed on:input=move |event| typed.set(event_target_value(&event)) />
            </label>
            <div aria-live="assertive">{move || problem.get().map(|text| view! { <Notice tone=Tone::Danger><p>{text}</p></Notice> })}</div>
            <div class="actions">
                <button type="submit" class="button danger" disabled=move || !matches.get() || busy.get()>{leases::DESTROY_DO}</button>
                <button type="button" class="button" on:click=move |_| open.set(false)>{shell::CANCEL}</button>
            </div>
        </form>
    }
}
