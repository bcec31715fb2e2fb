//! The files of the directory, each with its size, when it was changed, and its buttons.

use api_types::{FileKind, FileView};
use leptos::prelude::*;

use super::{
    browser::FileBrowser,
    icon::{folder_icon, pencil_icon},
    question::Question,
    shown_name,
    transfer::Transfer,
};
use crate::{
    components::{Glyph, Icon, LocalTime},
    format::bytes,
    text::files,
};

/// Files that are shown at first, and with each press of the button. A page with 10,000 rows would
/// be slow.
const ROWS: usize = 200;

/// The list.
#[component]
pub fn FileList(
    browser: FileBrowser,
    transfer: Transfer,
    question: RwSignal<Option<Question>>,
) -> impl IntoView {
    let listing = browser.listing();
    let limit = RwSignal::new(ROWS);
    Effect::new(move || {
        browser.path.track();
        limit.set(ROWS);
    });
    let entries = move || {
        listing.with(|listing| {
            let entries = listing.iter().flat_map(|listing| &listing.entries);
            entries.take(limit.get()).cloned().collect::<Vec<_>>()
        })
    };
    // A row whose file was changed is another row.
    let key = |file: &FileView| {
        let changed = file.modified_at.map(|at| at.unix());
        (file.name.clone(), file.size, file.mode.clone(), changed)
    };
    let row = move |file: FileView| {
        view! { <Row file=file browser=browser transfer=transfer question=question /> }
    };
    let counts = Memo::new(move |_| {
        listing.with(|listing| {
            let listing = listing.as_ref();
            listing.map(|listing| (listing.entries.len(), listing.truncated))
        })
    });
    let more = move || {
        let (count, _) = counts.get()?;
        let rest = count.saturating_sub(limit.get()).min(ROWS);
        let show = move |_| limit.update(|limit| *limit += ROWS);
        (rest > 0).then(|| {
            view! { <button type="button" class="button small" on:click=show>{files::show_more(rest)}</button> }
        })
    };
    let summary = move || match counts.get()? {
        (0, _) => Some(files::EMPTY.to_owned()),
        (count, false) => Some(files::count(count)),
        (count, true) => Some(files::truncated(count)),
    };
    let name = move || browser.path.with(|path| files::list_of(path));
    let some = Memo::new(move |_| counts.get().is_some_and(|(count, _)| count > 0));
    view! {
        {move || some.get().then(|| view! {
            <ul class="files-list" aria-label=name><For each=entries key=key children=row /></ul>
        })}
        {more}
        <p class="fine" role="status">{summary}</p>
    }
}

#[component]
fn Row(
    file: FileView,
    browser: FileBrowser,
    transfer: Transfer,
    question: RwSignal<Option<Question>>,
) -> impl IntoView {
    let name = shown_name(&file.name);
    // The service puts this character in the place of bytes that are no UTF-8.
    let is_readable = !file.name.contains(char::REPLACEMENT_CHARACTER);
    let fact = match file.kind {
        FileKind::File => Some(bytes(file.size)),
        FileKind::Directory => None,
        other => Some(files::kind(other).to_owned()),
    };
    let both = fact.is_some() && file.modified_at.is_some();
    let changed = file.modified_at.map(|at| view! { <LocalTime at=at /> });
    let title = match (is_readable, file.kind) {
        (false, _) => view! { <span title=files::NAME_UNREADABLE>{name.clone()}</span> }.into_any(),
        (true, FileKind::Directory) => {
            let path = browser.path_of(&file.name);
            let open = move |_| browser.open(path.clone());
            view! { <button type="button" class="link" on:click=open>{folder_icon()}{name.clone()}</button> }.into_any()
        }
        (true, FileKind::Symlink) => {
            let target = file.name.clone();
            let open = move |_| transfer.open_link(target.clone());
            view! { <button type="button" class="link" on:click=open>{name.clone()}</button> }
                .into_any()
        }
        (true, FileKind::File | FileKind::Other) => {
            view! { <span>{name.clone()}</span> }.into_any()
        }
    };
    let buttons = is_readable.then(|| {
        let (download, rename, delete) = (file.clone(), file.name.clone(), file.clone());
        let [download_label, rename_label, delete_label] =
            [files::download, files::rename, files::delete].map(|label| label(&name));
        view! {
            {(file.kind == FileKind::File).then(|| view! {
                <button type="button" class="icon-button" aria-label=download_label title=files::DOWNLOAD
                    on:click=move |_| transfer.download(&download.name, download.size)><Icon glyph=Glyph::Download /></button>
            })}
            <button type="button" class="icon-button" aria-label=rename_label title=files::RENAME
                on:click=move |_| question.set(Some(Question::Rename(rename.clone())))>{pencil_icon()}</button>
            <button type="button" class="icon-button" aria-label=delete_label title=files::DELETE
                on:click=move |_| question.set(Some(Question::Delete(delete.clone())))><Icon glyph=Glyph::Bin /></button>
        }
    });
    view! {
        <li>
            <span class="files-name" translate="no">{title}</span>
            <span class="fine number">{fact} {both.then_some(" · ")} {changed}</span>
            <span class="files-buttons">{buttons}</span>
        </li>
    }
}
