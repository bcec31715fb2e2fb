//! Uploads and downloads: one at a time, with their progress. They end with the panel.

use api_types::FileKind;
use leptos::{prelude::*, task::spawn_local};
use wasm_bindgen::JsValue;

use super::{
    browser::{FileBrowser, FileRequests},
    question::Question,
    shown_name,
};
use crate::{
    browser::{
        object::{get, get_number, get_text},
        save,
    },
    components::{CopyButton, Notice, Tone},
    format::{curl_download, join_path, percent},
    http::{AbortHandle, RequestError, upload::UploadRequest},
    text::{files, shell},
};

/// The largest file that is downloaded by the page, which holds it as a whole before the browser
/// saves it.
const LARGEST_DOWNLOAD: u64 = 256 << 20;

/// What is being transferred.
#[derive(Clone, PartialEq)]
struct Progress {
    words: String,
    moved: u64,
    /// Zero where it is not known.
    total: u64,
}

impl Progress {
    fn share(&self) -> Option<f64> {
        (self.total > 0).then(|| self.moved as f64 / self.total as f64)
    }
}

enum Running {
    Upload(UploadRequest),
    Download(AbortHandle),
}

/// The transfer of a panel.
#[derive(Clone, Copy)]
pub struct Transfer {
    browser: FileBrowser,
    question: RwSignal<Option<Question>>,
    progress: RwSignal<Option<Progress>>,
    /// A file that is too large, and the command that downloads it.
    too_large: RwSignal<Option<(String, String)>>,
    running: StoredValue<Option<Running>, LocalStorage>,
    is_stopped: StoredValue<bool>,
    /// The files that wait for the answer whether others are replaced.
    chosen: StoredValue<Vec<JsValue>, LocalStorage>,
}

impl Transfer {
    pub fn new(browser: FileBrowser, question: RwSignal<Option<Question>>) -> Self {
        let transfer = Self {
            browser,
            question,
            progress: RwSignal::new(None),
            too_large: RwSignal::new(None),
            running: StoredValue::new_local(None),
            is_stopped: StoredValue::new(false),
            chosen: StoredValue::new_local(Vec::new()),
        };
        on_cleanup(move || transfer.stop());
        transfer
    }

    /// Whether something is being transferred.
    pub fn is_busy(self) -> bool {
        self.progress.with(Option::is_some)
    }

    fn stop(self) {
        self.is_stopped.try_set_value(true);
        self.running.try_with_value(|running| match running {
            Some(Running::Upload(request)) => request.abort(),
            Some(Running::Download(abort)) => abort.abort(),
            None => {}
        });
    }

    /// Begins a transfer, unless another one is under way.
    fn begin(self, words: String, total: u64) -> bool {
        if self.progress.with_untracked(Option::is_some) {
            return false;
        }
        self.browser.forget_messages();
        self.too_large.set(None);
        self.is_stopped.set_value(false);
        self.show(words, total);
        true
    }

    fn show(self, words: String, total: u64) {
        self.progress.try_set(Some(Progress {
            words,
            moved: 0,
            total,
        }));
    }

    fn move_to(self, moved: u64) {
        self.progress.try_update(|progress| {
            if let Some(progress) = progress {
                progress.moved = moved;
            }
        });
    }

    fn end(self) {
        self.running.try_set_value(None);
        self.progress.try_set(None);
    }

    /// Uploads files into the directory, after a question where others are replaced. `holder` is
    /// the field or the drag that has them.
    pub fn upload(self, holder: &JsValue) {
        let list = get(holder, "files");
        let list = (0..get_number(&list, "length")).map(|at| get(&list, &at.to_string()));
        let list: Vec<JsValue> = list.collect();
        let Some(first) = list.first() else { return };
        if !self.begin(files::uploading(&shown_name(&name_of(first))), 0) {
            return;
        }
        let directory = self.browser.path.get_untracked();
        let requests = self.browser.requests();
        spawn_local(async move {
            let mut taken = Vec::new();
            for file in &list {
                let name = name_of(file);
                let path = join_path(&directory, &name);
                match requests.kind_at(&path, self.browser).await {
                    Ok(None) => {}
                    Ok(Some(FileKind::Directory)) => {
                        return self.fail(&name, files::IS_DIRECTORY);
                    }
                    Ok(Some(_)) => taken.push(name),
                    Err(error) => return self.fail(&name, &error.to_string()),
                }
            }
            if taken.is_empty() {
                return self.send_all(requests, &directory, list).await;
            }
            self.end();
            self.chosen.try_set_value(list);
            self.question
                .try_set(Some(Question::Replace { directory, taken }));
        });
    }

    /// Uploads the files that waited for an answer, but those named in `skipped`.
    pub fn upload_chosen(self, directory: String, skipped: Vec<String>) {
        let mut list = self.chosen.try_update_value(std::mem::take);
        let list = list.get_or_insert_default();
        list.retain(|file| !skipped.contains(&name_of(file)));
        let list = std::mem::take(list);
        let Some(first) = list.first() else { return };
        if self.begin(files::uploading(&shown_name(&name_of(first))), 0) {
            let requests = self.browser.requests();
            spawn_local(async move { self.send_all(requests, &directory, list).await });
        }
    }

    async fn send_all(self, requests: FileRequests, directory: &str, list: Vec<JsValue>) {
        let FileRequests { api, lease } = requests;
        let mut last = (String::new(), 0);
        for file in &list {
            let (name, size) = (name_of(file), get_number(file, "size"));
            if self.is_stopped.try_get_value() != Some(false) {
                return self.fail(&name, files::STOPPED);
            }
            let shown = shown_name(&name);
            self.show(files::uploading(&shown), size);
            let request = api.upload(&lease, &join_path(directory, &name));
            self.running
                .try_set_value(Some(Running::Upload(request.clone())));
            let writing = files::writing(&shown);
            let on_progress = move |sent| {
                self.move_to(sent);
                if sent >= size {
                    // The service still writes what it was sent.
                    self.show(writing.clone(), 0);
                }
            };
            let Some(response) = request.send(file, on_progress).await else {
                let stopped = self.is_stopped.try_get_value() != Some(false);
                let cause = if stopped {
                    files::STOPPED
                } else {
                    files::NOT_SENT
                };
                return self.fail(&name, cause);
            };
            match api.written(&response) {
                Ok(written) => last = (shown, written.size),
                Err(error) => return self.fail(&name, &error.to_string()),
            }
        }
        self.end();
        self.browser
            .changed(files::uploaded(list.len(), &last.0, last.1));
    }

    /// An upload failed. Files before it may have arrived.
    fn fail(self, name: &str, cause: &str) {
        self.end();
        let problem = files::not_uploaded(&shown_name(name), cause);
        self.browser.problem.try_set(Some(problem));
        self.browser.reload();
    }

    /// Opens what a link leads to.
    pub fn open_link(self, name: String) {
        let browser = self.browser;
        browser.forget_messages();
        let (path, requests) = (browser.path_of(&name), browser.requests());
        spawn_local(async move {
            let about = requests.about(&path).await;
            if browser.path.try_get_untracked().is_none() {
                // The panel has left the page.
                return;
            }
            match about {
                Ok(file) if file.kind == FileKind::Directory => browser.open(path),
                Ok(file) => self.download(&name, file.size),
                Err(error) => {
                    browser.problem.try_set(Some(error.to_string()));
                }
            }
        });
    }

    /// Downloads a file, or shows the command for one that is too large.
    pub fn download(self, name: &str, size: u64) {
        let browser = self.browser;
        let (path, shown) = (browser.path_of(name), shown_name(name));
        if !self.begin(files::downloading(&shown), size) {
            return;
        }
        let FileRequests { api, lease } = browser.requests();
        let command = curl_download(&api.file_url(&lease, &path), name);
        let too_large = move |shown| {
            self.end();
            self.too_large.try_set(Some((shown, command)));
        };
        if size > LARGEST_DOWNLOAD {
            return too_large(shown);
        }
        let abort = AbortHandle::new();
        self.running
            .set_value(Some(Running::Download(abort.clone())));
        let name = name.to_owned();
        spawn_local(async move {
            let limit = LARGEST_DOWNLOAD;
            let on_progress = move |moved| self.move_to(moved);
            let content = api.download(&lease, &path, limit, &abort, on_progress);
            match content.await {
                Ok(None) => too_large(shown),
                Ok(Some(content)) => {
                    self.end();
                    save(&content, &name);
                    let done = files::downloaded(&shown, get_number(&content, "size"));
                    browser.done.try_set(Some(done));
                }
                Err(error) => {
                    self.end();
                    let cause = match error {
                        RequestError::Aborted => files::STOPPED.to_owned(),
                        RequestError::Unreachable => files::BROKE_OFF.to_owned(),
                        error => error.to_string(),
                    };
                    let problem = files::not_downloaded(&shown, &cause);
                    browser.problem.try_set(Some(problem));
                }
            }
        });
    }
}

/// The name of a file that was chosen.
fn name_of(file: &JsValue) -> String {
    get_text(file, "name")
}

/// The progress of the transfer, with a button that stops it.
#[component]
pub fn TransferLine(transfer: Transfer) -> impl IntoView {
    let progress = transfer.progress;
    let words = Memo::new(move |_| progress.with(|now| now.as_ref().map(|now| now.words.clone())));
    let busy = Memo::new(move |_| words.with(Option::is_some));
    let share = Memo::new(move |_| progress.with(|now| now.as_ref().and_then(Progress::share)));
    let bar = move || {
        busy.get().then(|| {
            view! {
                <div class="field-row">
                    <progress aria-label=files::PROGRESS max="1" value=move || share.get().map(|share| share.to_string())></progress>
                    <span class="fine number" translate="no" prop:textContent=move || share.get().map(percent).unwrap_or_default()></span>
                    <button type="button" class="button small" on:click=move |_| transfer.stop()>{files::STOP}</button>
                </div>
            }
        })
    };
    let too_large = move || {
        let (name, command) = transfer.too_large.get()?;
        let close = move |_| transfer.too_large.set(None);
        Some(view! {
            <Notice tone=Tone::Info>
                <p>{files::too_large(&name, LARGEST_DOWNLOAD)}</p>
                <p><code class="files-command" translate="no">{command.clone()}</code><CopyButton text=command label=shell::copy(files::COMMAND) /></p>
                <button type="button" class="button small" on:click=close>{shell::DISMISS}</button>
            </Notice>
        })
    };
    view! {
        <p class="fine" role="status">{move || words.get()}</p>
        {bar}
        <div aria-live="polite">{too_large}</div>
    }
}
