//! The dialogs of the questions about files.

use api_types::{FileKind, FileView};
use leptos::{html, prelude::*, task::spawn_local};

use super::{browser::FileBrowser, question::Question, shown_name, transfer::Transfer};
use crate::{
    browser::object,
    components::{Dialog, Notice, Tone, focus_quietly},
    format::{is_file_name, join_path},
    http::RequestError,
    text::{files, shell},
};

/// The dialog of the open question.
#[component]
pub fn Questions(
    browser: FileBrowser,
    transfer: Transfer,
    question: RwSignal<Option<Question>>,
) -> impl IntoView {
    let open = RwSignal::new(false);
    Effect::new(move || open.set(question.with(Option::is_some)));
    let title = move || match question.get() {
        Some(Question::NewFolder) => files::NEW_FOLDER.to_owned(),
        Some(Question::Rename(name)) => files::rename(&shown_name(&name)),
        Some(Question::Delete(file)) => files::delete(&shown_name(&file.name)),
        Some(Question::Replace { .. }) => files::REPLACE.to_owned(),
        None => String::new(),
    };
    let content = move || {
        match question.get()? {
        Question::NewFolder => Some(
            view! { <NameForm browser=browser question=question old=String::new() /> }.into_any(),
        ),
        Question::Rename(old) => {
            Some(view! { <NameForm browser=browser question=question old=old /> }.into_any())
        }
        Question::Delete(file) => {
            Some(view! { <DeleteForm browser=browser question=question file=file /> }.into_any())
        }
        Question::Replace { directory, taken } => Some(
            view! { <ReplaceForm transfer=transfer question=question directory=directory taken=taken /> }
                .into_any(),
        ),
    }
    };
    view! {
        <Dialog open=open title=Signal::derive(title) class="narrow" on_close=move |()| question.set(None)>{content}</Dialog>
    }
}

/// A request that is made by the button of a question. The question closes once it is done.
#[derive(Clone, Copy)]
struct Asked {
    browser: FileBrowser,
    question: RwSignal<Option<Question>>,
    busy: RwSignal<bool>,
    problem: RwSignal<Option<String>>,
}

impl Asked {
    fn new(browser: FileBrowser, question: RwSignal<Option<Question>>) -> Self {
        browser.forget_messages();
        Self {
            browser,
            question,
            busy: RwSignal::new(false),
            problem: RwSignal::new(None),
        }
    }

    fn run(self, work: impl Future<Output = Result<String, String>> + 'static) {
        if self.busy.get_untracked() {
            return;
        }
        self.busy.set(true);
        self.problem.set(None);
        spawn_local(async move {
            match work.await {
                Ok(done) => {
                    self.question.try_set(None);
                    self.browser.changed(done);
                }
                Err(problem) => {
                    self.problem.try_set(Some(problem));
                }
            }
            self.busy.try_set(false);
        });
    }

    fn problem(self) -> impl IntoView {
        let notice = move || {
            let text = self.problem.get()?;
            Some(view! { <Notice tone=Tone::Danger><p>{text}</p></Notice> })
        };
        view! { <div aria-live="assertive">{notice}</div> }
    }

    fn cancel(self) -> impl IntoView {
        view! { <button type="button" class="button" on:click=move |_| self.question.set(None)>{shell::CANCEL}</button> }
    }
}

/// A new name for `old`, or for a new directory where that is empty.
#[component]
fn NameForm(
    browser: FileBrowser,
    question: RwSignal<Option<Question>>,
    old: String,
) -> impl IntoView {
    let asked = Asked::new(browser, question);
    let name = RwSignal::new(old.clone());
    let field = NodeRef::<html::Input>::new();
    Effect::new(move || {
        if let Some(field) = field.get() {
            // The dialog opens after this and focuses its first button.
            request_animation_frame(move || {
                focus_quietly(&field);
                // The old name is replaced by what is typed.
                let _ = object::call(&field, "select", &[]);
            });
        }
    });
    let do_it = if old.is_empty() {
        files::CREATE
    } else {
        files::RENAME
    };
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let (old, new) = (old.clone(), name.get_untracked());
        if new == old && !old.is_empty() {
            return question.set(None);
        }
        if !is_file_name(&new) {
            return asked.problem.set(Some(files::BAD_NAME.to_owned()));
        }
        let shown = shown_name(&new);
        let directory = browser.path.get_untracked();
        let requests = browser.requests();
        asked.run(async move {
            let words = |error: RequestError| error.to_string();
            let (from, to) = (join_path(&directory, &old), join_path(&directory, &new));
            // The service would replace a file of this name.
            let there = requests.kind_at(&to, browser).await.map_err(words)?;
            if there.is_some() {
                return Err(files::taken(&shown));
            }
            if old.is_empty() {
                requests.make_directory(to).await.map_err(words)?;
                return Ok(files::created(&shown));
            }
            requests.rename(from, to).await.map_err(words)?;
            Ok(files::renamed(&shown))
        });
    };
    view! {
        <form on:submit=submit>
            <label class="field">
                <span>{files::NAME}</span>
                <input type="text" node_ref=field autocomplete="off" spellcheck="false" autocapitalize="none" prop:value=name on:input=move |event| name.set(event_target_value(&event)) />
            </label>
            {asked.problem()}
            <div class="actions">
                <button type="submit" class="button primary" disabled=move || asked.busy.get()>{do_it}</button>
                {asked.cancel()}
            </div>
        </form>
    }
}

#[component]
fn DeleteForm(
    browser: FileBrowser,
    question: RwSignal<Option<Question>>,
    file: FileView,
) -> impl IntoView {
    let asked = Asked::new(browser, question);
    let is_directory = file.kind == FileKind::Directory;
    let path = browser.path_of(&file.name);
    let shown = shown_name(&file.name);
    let delete = move |_| {
        let (path, shown) = (path.clone(), shown.clone());
        let requests = browser.requests();
        asked.run(async move {
            let removed = requests.remove(&path, is_directory).await;
            removed.map_err(|error| error.to_string())?;
            Ok(files::deleted(&shown))
        });
    };
    let words = move || match (asked.busy.get(), is_directory) {
        (true, _) => files::DELETING,
        (false, true) => files::DELETE_ALL_DO,
        (false, false) => files::DELETE_DO,
    };
    view! {
        <p>{files::delete_help(is_directory)}</p>
        {asked.problem()}
        <div class="actions">
            <button type="button" class="button danger" disabled=move || asked.busy.get() on:click=delete>{words}</button>
            {asked.cancel()}
        </div>
    }
}

#[component]
fn ReplaceForm(
    transfer: Transfer,
    question: RwSignal<Option<Question>>,
    directory: String,
    taken: Vec<String>,
) -> impl IntoView {
    let names: Vec<String> = taken.iter().map(|name| shown_name(name)).collect();
    let upload = move |skipped: Vec<String>| {
        let directory = directory.clone();
        question.set(None);
        transfer.upload_chosen(directory, skipped);
    };
    let skip = {
        let upload = upload.clone();
        move |_| upload(taken.clone())
    };
    view! {
        <p>{files::replace_help(&names)}</p>
        <div class="actions">
            <button type="button" class="button danger" on:click=move |_| upload(Vec::new())>{files::REPLACE_DO}</button>
            <button type="button" class="button" on:click=skip>{files::REPLACE_SKIP}</button>
            <button type="button" class="button" on:click=move |_| question.set(None)>{shell::CANCEL}</button>
        </div>
    }
}
