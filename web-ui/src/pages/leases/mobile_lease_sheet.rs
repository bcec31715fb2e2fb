//! The leases beside a conversation on a phone: a line above the message box, and a sheet with the
//! cards of the leases.

use leptos::{html, prelude::*};
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{HtmlDialogElement, HtmlElement, PointerEvent};

use super::{LeaseGrid, select_leases};
use crate::{
    components::{Dialog, Glyph, Icon, focus_id},
    state::{
        chat::Chat,
        lease::board::Board,
        lease::summary::{LeaseSummary, is_dismissed},
        now::Now,
    },
    text::leases,
};

/// The media query for which the stylesheet uses its layout for phones.
const PHONE: &str = "(max-width: 46rem)";

/// The line and the sheet.
#[component]
pub fn MobileLeaseSheet() -> impl IntoView {
    let (board, now) = (Board::get().leases(), Now::get());
    let summary = Memo::new(move |_| {
        board.with(|leases| LeaseSummary::at(leases.as_deref().unwrap_or_default(), now.get()))
    });
    let some = Memo::new(move |_| summary.with(Option::is_some));
    let phone = matches(PHONE);
    let open = RwSignal::new(false);
    // Without leases there is no sheet.
    Effect::new(move || {
        if !some.get() {
            open.set(false);
        }
    });
    // The line had the focus before, and is gone with the leases.
    let closed = move |()| {
        if !some.get_untracked() {
            focus_id("message");
        }
    };
    view! {
        {move || (phone.get() && some.get()).then(|| view! { <Line summary=summary open=open /> })}
        <Dialog open=open title=leases::YOURS class="bottom" on_close=closed>
            <Handle open=open />
            <Cards />
        </Dialog>
    }
}

#[component]
fn Line(summary: Memo<Option<LeaseSummary>>, open: RwSignal<bool>) -> impl IntoView {
    let board = Board::get();
    board.watch_leases();
    // The agent may have stopped or destroyed a container.
    let running = Chat::get().running();
    Effect::new(move |before: Option<bool>| {
        let running = running.get();
        if before == Some(true) && !running {
            board.refresh();
        }
        running
    });
    let words =
        Memo::new(move |_| summary.with(|summary| summary.as_ref().map(LeaseSummary::words)));
    let urgency = move || summary.with(|summary| summary.map(|summary| summary.urgency.name()));
    view! {
        <button type="button" class="in-reach" data-urgency=urgency aria-haspopup="dialog" on:click=move |_| open.set(true)>
            <Icon glyph=Glyph::Server /><span class="number" prop:textContent=move || words.get().unwrap_or_default()></span><Icon glyph=Glyph::Chevron />
        </button>
    }
}

#[component]
fn Cards() -> impl IntoView {
    Board::get().watch();
    view! { <LeaseGrid leases=select_leases(false) /> }
}

/// The handle at the upper edge, by which the sheet is pulled down. Esc and the button close it as
/// well.
#[component]
fn Handle(open: RwSignal<bool>) -> impl IntoView {
    let node = NodeRef::<html::Div>::new();
    let start = StoredValue::new(None::<(f64, f64)>);
    let sheet = move || {
        let sheet = node.get_untracked()?.closest("dialog").ok().flatten()?;
        sheet.dyn_into::<HtmlDialogElement>().ok()
    };
    let pulled = move |event: &PointerEvent| {
        let (y, since) = start.get_value()?;
        let pulled = (f64::from(event.client_y()) - y).max(0.0);
        Some((pulled, event.time_stamp() - since))
    };
    let grasp = move |event: PointerEvent| {
        if event.button() != 0 {
            return;
        }
        start.set_value(Some((event.client_y().into(), event.time_stamp())));
        if let Some(handle) = node.get_untracked() {
            // This fails if the pointer is gone already.
            let _ = handle.set_pointer_capture(event.pointer_id());
        }
    };
    let pull = move |event: PointerEvent| {
        if let (Some((pulled, _)), Some(sheet)) = (pulled(&event), sheet()) {
            move_down(&sheet, Some(pulled));
        }
    };
    let let_go = move |event: PointerEvent| {
        let pulled = pulled(&event);
        start.set_value(None);
        if let (Some((pulled, took)), Some(sheet)) = (pulled, sheet()) {
            move_down(&sheet, None);
            if is_dismissed(pulled, sheet.offset_height().into(), took) {
                open.set(false);
            }
        }
    };
    let keep = move |_| {
        start.set_value(None);
        if let Some(sheet) = sheet() {
            move_down(&sheet, None);
        }
    };
    view! {
        <div class="handle" aria-hidden="true" node_ref=node
            on:pointerdown=grasp on:pointermove=pull on:pointerup=let_go on:pointercancel=keep on:lostpointercapture=keep></div>
    }
}

/// Moves the sheet down by some pixels, or back.
fn move_down(sheet: &HtmlElement, pixels: Option<f64>) {
    let style = sheet.style();
    // If the style cannot be set, the sheet can still be closed.
    let _ = match pixels {
        Some(pixels) => style.set_property("translate", &format!("0 {pixels}px")),
        None => style.remove_property("translate").map(drop),
    };
}

/// Whether a media query matches, as a signal.
fn matches(query: &str) -> Signal<bool> {
    let list = window().match_media(query).ok().flatten();
    let now = RwSignal::new(list.as_ref().is_some_and(web_sys::MediaQueryList::matches));
    if let Some(list) = list {
        let heard = list.clone();
        let changed = Closure::<dyn FnMut()>::new(move || now.set(heard.matches()));
        list.set_onchange(Some(changed.as_ref().unchecked_ref()));
        let kept = StoredValue::new_local((list, changed));
        on_cleanup(move || {
            kept.try_with_value(|(list, _)| list.set_onchange(None));
        });
    }
    now.into()
}
