//! The files of a lease's container: a directory with its path above it, and what can be done with
//! its files. `browser` has the state and requests, `transfer` uploads and downloads.

mod browser;
mod dialogs;
mod icon;
mod list;
mod question;
mod transfer;

use leptos::{html, prelude::*};
use web_sys::{DragEvent, HtmlInputElement};

pub use self::icon::folder_icon;
use self::{
    browser::FileBrowser,
    dialogs::Questions,
    list::FileList,
    question::Question,
    transfer::{Transfer, TransferLine},
};
use crate::{
    browser::object,
    components::{Glyph, Icon, Notice, RequestFailure, Tone},
    format::{one_line, path_steps},
    text::{files, leases, shell},
};

/// Characters of a name that are shown.
const SHOWN_NAME: usize = 80;

/// A name as it is shown: its invisible characters are marked.
fn shown_name(name: &str) -> String {
    one_line(name, SHOWN_NAME)
}

/// The panel.
#[component]
pub fn FilesPanel(
    /// The lease.
    lease_id: String,
) -> impl IntoView {
    let browser = FileBrowser::new(lease_id);
    let question = RwSignal::new(None::<Question>);
    let transfer = Transfer::new(browser, question);
    let input = NodeRef::<html::Input>::new();
    let choose = move |_| {
        if let Some(input) = input.get_untracked() {
            input.click();
        }
    };
    let chosen = move |event: web_sys::Event| {
        let input: HtmlInputElement = event_target(&event);
        transfer.upload(&input);
        // The same file can be chosen again.
        input.set_value("");
    };
    let dropping = RwSignal::new(false);
    let drag = move |event: DragEvent| {
        event.prevent_default();
        dropping.set(true);
    };
    let dropped = move |event: DragEvent| {
        event.prevent_default();
        dropping.set(false);
        transfer.upload(&object::get(&event, "dataTransfer"));
    };
    let problem = move || {
        let text = browser.problem.get()?;
        Some(view! { <Notice tone=Tone::Danger><p>{text}</p>
            <button type="button" class="button small" on:click=move |_| browser.problem.set(None)>{shell::DISMISS}</button>
        </Notice> })
    };
    let (listing, error) = (browser.listing(), browser.error());
    let loading = move || {
        let waits = listing.with(Option::is_none) && error.with(Option::is_none);
        waits.then_some(shell::LOADING)
    };
    view! {
        <section class="panel files" aria-label=files::FILES data-drop=move || dropping.get().to_string()
            on:dragover=drag on:dragleave=move |_| dropping.set(false) on:drop=dropped>
            <PathLine browser=browser />
            <div class="actions">
                <button type="button" class="button small" disabled=move || transfer.is_busy() on:click=choose><Icon glyph=Glyph::Up />{files::UPLOAD}</button>
                <button type="button" class="button small" on:click=move |_| question.set(Some(Question::NewFolder))><Icon glyph=Glyph::Plus />{files::NEW_FOLDER}</button>
                <button type="button" class="button small" on:click=move |_| browser.reload()><Icon glyph=Glyph::Refresh />{leases::REFRESH}</button>
                <input type="file" multiple hidden node_ref=input on:change=chosen />
            </div>
            <TransferLine transfer=transfer />
            <p class="fine" role="status">{move || browser.done.get()}</p>
            <div aria-live="assertive">{problem}</div>
            <p class="muted" role="status">{loading}</p>
            {move || error.get().map(|error| view! { <RequestFailure error=error on_retry=move |()| browser.reload() /> })}
            <FileList browser=browser transfer=transfer question=question />
            <p class="fine files-drop">{files::DROP}</p>
            <Questions browser=browser transfer=transfer question=question />
        </section>
    }
}

/// The directory's path, with the directories above it as buttons. The last step is the directory
/// itself, which gets the focus when it was opened.
#[component]
fn PathLine(browser: FileBrowser) -> impl IntoView {
    let steps = move || {
        let steps = browser.path.with(|path| path_steps(path));
        let last = steps.len() - 1;
        let step = move |(index, (name, path)): (usize, (String, String))| {
            let name = shown_name(&name);
            let step = if index == last {
                view! { <span tabindex="-1" aria-current="location" translate="no" node_ref=browser.current>{name}</span> }.into_any()
            } else {
                view! { <button type="button" class="link" translate="no" on:click=move |_| browser.open(path.clone())>{name}</button> }.into_any()
            };
            view! { <li>{step}</li> }
        };
        steps.into_iter().enumerate().map(step).collect_view()
    };
    view! { <nav aria-label=files::PATH><ol class="files-path mono">{steps}</ol></nav> }
}
