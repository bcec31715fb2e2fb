//! Carries out an action that was chosen on another page, once its lease or the form is on the
//! board.

use api_types::LeaseView;
use leptos::{html, prelude::*};
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement};

use crate::{components::Navigation, state::route::PendingAction};

/// Carries out the action of a lease. A panel that opens below its buttons gets the focus.
pub(super) fn carry_out_at_lease(
    lease: Memo<Option<LeaseView>>,
    buttons: NodeRef<html::Div>,
    act: impl Fn(PendingAction) + 'static,
) {
    let id = Memo::new(move |_| lease.with(|lease| lease.as_ref().map(|one| one.lease_id.clone())));
    carry_out(
        move |action| {
            action
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

/// Shows the form, if that is the action.
pub(super) fn carry_out_at_form(form: NodeRef<html::Aside>) {
    carry_out(
        |action| *action == PendingAction::OpenForm,
        move || Some(form.get()?.into()),
        "input",
        |_| (),
    );
}

/// Shows the form after a press of the button on the board.
pub(super) fn show_form(form: NodeRef<html::Aside>) {
    if let Some(form) = form.get_untracked() {
        form.scroll_into_view();
        focus(&form, "input");
    }
}

/// Takes the action if it is for this place, carries it out, scrolls to the place, and focuses the
/// first `field`.
fn carry_out(
    is_here: impl Fn(&PendingAction) -> bool + 'static,
    place: impl Fn() -> Option<Element> + 'static,
    field: &'static str,
    act: impl Fn(PendingAction) + 'static,
) {
    let pending = Navigation::pending_action();
    Effect::new(move || {
        let Some(place) = place() else { return };
        if !pending.with(|action| action.as_ref().is_some_and(&is_here)) {
            return;
        }
        let Some(action) = pending.try_update(Option::take).flatten() else {
            return;
        };
        // A dialog that opens now gives the focus back to this button.
        focus(&place, "button");
        act(action);
        // The opened panel is on the page after one frame.
        request_animation_frame(move || {
            place.scroll_into_view();
            focus(&place, field);
        });
    });
}

fn focus(place: &Element, wanted: &str) {
    let element = place.query_selector(wanted).ok().flatten();
    if let Some(element) = element.and_then(|element| element.dyn_into::<HtmlElement>().ok()) {
        // An element that cannot have the focus leaves it where it is.
        let _ = element.focus();
    }
}
