//! The leases in reach of a conversation on a phone: a line above the box to write in, and a sheet with their cards, which leaves the
//! conversation as it is.

use leptos::{html, prelude::*};
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{HtmlDialogElement, HtmlElement, PointerEvent};

use super::{LeaseGrid, those};
use crate::{
    components::{Dialog, Glyph, Icon, shell::focus_on},
    state::{
        at_a_glance::{Glance, is_dismissed},
        board::Board,
        chat::Chat,
        now::Now,
    },
    text::leases,
};

/// Where the stylesheet begins to lay out for a phone.
const PHONE: &str = "(max-width: 46rem)";

/// The line and the sheet.
#[component]
pub fn Reach() -> impl IntoView {
    let (board, now) = (Board::get().leases(), Now::get());
    let glance = Memo::new(move |_| {
        board.with(|leases| Glance::at(leases.as_deref().unwrap_or_default(), now.get()))
    });
    let some = Memo::new(move |_| glance.with(Option::is_some));
    let phone = matches(PHONE);
    let open = RwSignal::new(false);
    // What is there no longer needs no sheet.
    Effect::new(move || {
        if !some.get() {
            open.set(false);
        }
    });
    // The line had the focus before, and has gone with its leases.
    let closed = move |()| {
        if !some.get_untracked() {
            focus_on("message");
        }
    };
    view! {
        {move || (phone.get() && some.get()).then(|| view! { <Line glance=glance open=open /> })}
        <Dialog open=open title=leases::YOURS class="bottom" on_close=closed>
            <Handle open=open />
            <Cards />
        </Dialog>
    }
}

#[component]
fn Line(glance: Memo<Option<Glance>>, open: RwSignal<bool>) -> impl IntoView {
    let board = Board::get();
    board.watch_leases();
    // The agent may have stopped or removed something.
    let running = Chat::get().running();
    Effect::new(move |before: Option<bool>| {
        let running = running.get();
        if before == Some(true) && !running {
            board.refresh();
        }
        running
    });
    let words = Memo::new(move |_| glance.with(|glance| glance.as_ref().map(Glance::words)));
    let urgency = move || glance.with(|glance| glance.map(|glance| glance.urgency.name()));
    view! {
        <button type="button" class="in-reach" data-urgency=urgency aria-haspopup="dialog" on:click=move |_| open.set(true)>
            <Icon glyph=Glyph::Server /><span class="number" prop:textContent=move || words.get().unwrap_or_default()></span><Icon glyph=Glyph::Chevron />
        </button>
    }
}

#[component]
fn Cards() -> impl IntoView {
    Board::get().watch();
    view! { <LeaseGrid leases=those(false) /> }
}

/// The upper edge, by which the sheet is pulled down. The keyboard has Esc, and everybody the button.
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
            // A pointer that is gone already cannot be kept.
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

/// Moves the sheet below its place by some pixels, or back.
fn move_down(sheet: &HtmlElement, pixels: Option<f64>) {
    let style = sheet.style();
    // A sheet that does not move can still be closed.
    let _ = match pixels {
        Some(pixels) => style.set_property("translate", &format!("0 {pixels}px")),
        None => style.remove_property("translate").map(drop),
    };
}

/// Whether the screen is as a media query says, and when that changes.
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
