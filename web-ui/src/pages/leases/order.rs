//! The cards of the board in their order. While somebody is in one of them, they stay where they are.

use api_types::LeaseView;
use leptos::{html, prelude::*};
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use crate::{
    components::catch_focus,
    engine::clock,
    state::lease_order::{by_end, held},
};

/// The cards' order.
#[derive(Clone, Copy)]
pub(super) struct Order {
    /// The leases' ids.
    pub ids: Memo<Vec<String>>,
    /// Where the cards are.
    pub grid: NodeRef<html::Div>,
    left: RwSignal<()>,
}

impl Order {
    /// The order of some leases.
    pub fn of(leases: Memo<Vec<LeaseView>>) -> Self {
        let grid = NodeRef::<html::Div>::new();
        let left = RwSignal::new(());
        let ids = Memo::new(move |before: Option<&Vec<String>>| {
            left.track();
            let now = leases.with(|leases| by_end(leases, clock::now()));
            let grid = grid.try_get_untracked().flatten();
            let used = grid.is_some_and(|grid| grid.matches(":focus-within").unwrap_or_default());
            match before {
                Some(before) if used => held(before, now),
                _ => now,
            }
        });
        let order = Self { ids, grid, left };
        order.catch_focus();
        order
    }

    /// The focus has left a control. Whether it went to another one here is known after that.
    pub fn left(self) {
        request_animation_frame(move || {
            // The page may have been left with it.
            let _ = self.left.try_set(());
        });
    }

    /// When a card goes and nothing has the focus then, the next card's heading gets it.
    fn catch_focus(self) {
        Effect::new(move |before: Option<Vec<String>>| {
            let now = self.ids.get();
            let gone = before.and_then(|before| before.iter().position(|id| !now.contains(id)));
            if let Some(place) = gone {
                catch_focus(move || self.heading(place).or_else(content));
            }
            now
        });
    }

    /// The heading of the card at a place, or of the last one.
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

/// Where the focus is when there is nothing else that it could have.
pub(super) fn content() -> Option<HtmlElement> {
    document().get_element_by_id("content")?.dyn_into().ok()
}
