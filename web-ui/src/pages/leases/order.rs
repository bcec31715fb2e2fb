//! The order of the cards on the board. While one of them has the focus, they stay where they are.

use api_types::LeaseView;
use leptos::{html, prelude::*};
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use crate::{
    browser::clock,
    components::restore_focus,
    state::lease::order::{by_expiry, keep_order},
};

/// The order of the cards.
#[derive(Clone, Copy)]
pub(super) struct CardOrder {
    /// The leases' ids.
    pub ids: Memo<Vec<String>>,
    /// The element with the cards.
    pub grid: NodeRef<html::Div>,
    focus_changed: RwSignal<()>,
}

impl CardOrder {
    /// The order of leases.
    pub fn new(leases: Memo<Vec<LeaseView>>) -> Self {
        let grid = NodeRef::<html::Div>::new();
        let focus_changed = RwSignal::new(());
        let ids = Memo::new(move |before: Option<&Vec<String>>| {
            focus_changed.track();
            let now = leases.with(|leases| by_expiry(leases, clock::now()));
            let grid = grid.try_get_untracked().flatten();
            let used = grid.is_some_and(|grid| grid.matches(":focus-within").unwrap_or_default());
            match before {
                Some(before) if used => keep_order(before, now),
                _ => now,
            }
        });
        let order = Self {
            ids,
            grid,
            focus_changed,
        };
        order.restore_focus();
        order
    }

    /// An element of a card has lost the focus. Where the focus goes is known one frame later.
    pub fn on_focus_out(self) {
        request_animation_frame(move || {
            // The page may have been left.
            let _ = self.focus_changed.try_set(());
        });
    }

    /// If a card is removed and no element has the focus then, the heading of the next card gets
    /// it.
    fn restore_focus(self) {
        Effect::new(move |before: Option<Vec<String>>| {
            let now = self.ids.get();
            let gone = before.and_then(|before| before.iter().position(|id| !now.contains(id)));
            if let Some(place) = gone {
                restore_focus(move || self.heading(place).or_else(content));
            }
            now
        });
    }

    /// The heading of the card at a position, or of the last card.
    fn heading(self, place: usize) -> Option<HtmlElement> {
        let headings = self
            .grid
            .try_get_untracked()??
            .query_selector_all(".lease-head h2")
            .ok()?;
        let place = u32::try_from(place)
            .ok()?
            .min(headings.length().checked_sub(1)?);
        headings.get(place)?.dyn_into().ok()
    }
}

/// The page's content, which gets the focus if there is no better element.
pub(super) fn content() -> Option<HtmlElement> {
    document().get_element_by_id("content")?.dyn_into().ok()
}
