//! What somebody came to the board for: it is done once its lease, or the form, is there.

use api_types::LeaseView;
use leptos::{html, prelude::*};
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement};

use crate::{components::shell::Navigation, state::route::Errand};

/// Does what somebody came for to a lease. What that opens below its buttons gets the focus.
pub(super) fn at_lease(
    lease: Memo<Option<LeaseView>>,
    buttons: NodeRef<html::Div>,
    act: impl Fn(Errand) + 'static,
) {
    let id = Memo::new(move |_| lease.with(|lease| lease.as_ref().map(|one| one.lease_id.clone())));
    on_arrival(
        move |errand| {
            errand
                .lease()
                .is_some_and(|wanted| id.get().as_deref() == Some(wanted))
        },
        move || {
            let buttons: Element = buttons.get()?.into();
            buttons.closest(".lease").ok().flatten()
        },
        ".panel input",
        act,
    );
}

/// Shows the form to somebody who came for it.
pub(super) fn at_form(form: NodeRef<html::Aside>) {
    on_arrival(
        |errand| *errand == Errand::Form,
        move || Some(form.get()?.into()),
        "input",
        |_| (),
    );
}

/// Shows the form to somebody who asks for it on the board.
pub(super) fn show_form(form: NodeRef<html::Aside>) {
    if let Some(form) = form.get_untracked() {
        form.scroll_into_view();
        focus(&form, "input");
    }
}

/// Shows a place to somebody who came for it, does what they came for, and gives the focus to the first `field`.
fn on_arrival(
    is_here: impl Fn(&Errand) -> bool + 'static,
    place: impl Fn() -> Option<Element> + 'static,
    field: &'static str,
    act: impl Fn(Errand) + 'static,
) {
    let errand = Navigation::errand();
    Effect::new(move || {
        let Some(place) = place() else { return };
        if !errand.with(|errand| errand.as_ref().is_some_and(&is_here)) {
            return;
        }
        let Some(done) = errand.try_update(Option::take).flatten() else {
            return;
        };
        // Where the focus returns to from a dialog that opens now.
        focus(&place, "button");
        act(done);
        // What has opened is on the page by then.
        request_animation_frame(move || {
            place.scroll_into_view();
            focus(&place, field);
        });
    });
}

fn focus(place: &Element, wanted: &str) {
    let element = place.query_selector(wanted).ok().flatten();
    if let Some(element) = element.and_then(|element| element.dyn_into::<HtmlElement>().ok()) {
        // An element that cannot take the focus leaves it where it is.
        let _ = element.focus();
    }
}
