//! The request that is paid for, in full, beside the button. An automatic payment starts here, once
//! all of the card was on the screen.

use std::time::Duration;

use leptos::{html, prelude::*};
use web_sys::Element;

use crate::{
    components::{Glyph, Icon},
    engine::use_engine,
    format::TextPiece,
    pay::{CardId, PayCard, RequestView, request_view::RequestMember},
    state::{
        layout::{
            area::ScreenArea,
            visibility::{is_unclipped, sample_points},
        },
        now::every,
    },
    text::money,
};

/// How often the visibility is checked.
const CHECK_INTERVAL: Duration = Duration::from_millis(200);
/// The elements of a card that must be visible before an automatic payment: summary, price and
/// request.
const REQUIRED_VISIBLE: &str = ".slip-head > *, .sends-text";

/// The request.
#[component]
pub(super) fn RequestBlock(
    /// The card's number.
    id: CardId,
    /// Its card.
    card: Signal<Option<PayCard>>,
    /// Whether it can still be paid.
    open: Memo<bool>,
) -> impl IntoView {
    let engine = use_engine();
    let sends = engine
        .pay
        .request(id)
        .map(|request| RequestView::new(&request));
    let node = NodeRef::<html::Div>::new();
    let waits =
        Memo::new(move |_| card.with(|card| card.as_ref().is_some_and(PayCard::waits_for_view)));
    let too_long = RwSignal::new(false);
    every(CHECK_INTERVAL, move || {
        // The last tick may come after the card is gone.
        if waits.try_get_untracked() != Some(true) {
            return;
        }
        let slip = node.try_get_untracked().flatten();
        let slip = slip.and_then(|node| node.closest(".slip").ok().flatten());
        let visibility = slip.map_or(CardVisibility::Partial, |slip| visibility_of(&slip));
        too_long.try_set(visibility == CardVisibility::TooLong);
        if visibility == CardVisibility::Full {
            engine.pay.viewed(id);
        }
    });
    let body = move || {
        let sends = sends.clone().filter(|_| open.get())?;
        // A command is free text and is always shown. All other requests are described by the
        // summary, so they are folded.
        Some(if sends.has_command || waits.get() {
            view! { <Members sends=sends /> }.into_any()
        } else {
            view! {
                <details class="more sends-more">
                    <summary>{money::sends::TITLE}<Icon glyph=Glyph::Chevron /></summary>
                    <Members sends=sends />
                </details>
            }
            .into_any()
        })
    };
    view! {
        <div class="sends" node_ref=node>
            {body}
            {move || (waits.get() && too_long.get()).then(|| view! { <p class="slip-changed" role="status">{money::NOT_BY_ITSELF}</p> })}
        </div>
    }
}

#[component]
fn Members(sends: RequestView) -> impl IntoView {
    let marked = sends.members.iter().any(|member| {
        let mut pieces = member.value.iter();
        pieces.any(|piece| matches!(piece, TextPiece::Mark(_)))
    });
    view! {
        <div class="sends-text" role="group" aria-label=money::sends::TITLE tabindex="0" translate="no">
            <p class="sends-line">{sends.line}</p>
            <dl>{sends.members.into_iter().map(member).collect_view()}</dl>
        </div>
        {marked.then(|| view! { <p class="fine">{money::sends::MARKS}</p> })}
    }
}

fn member(member: RequestMember) -> impl IntoView {
    let piece = |piece| match piece {
        TextPiece::Plain(text) => text.into_any(),
        TextPiece::Mark(mark) => view! { <mark>{mark}</mark> }.into_any(),
        TextPiece::Break => view! { <br /> }.into_any(),
    };
    view! {
        <dt>{member.name}</dt>
        <dd>{member.value.into_iter().map(piece).collect_view()}</dd>
    }
}

/// How much of a card is visible.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CardVisibility {
    /// All required elements.
    Full,
    /// Not all: an element has more text than it shows at once.
    TooLong,
    /// Not all: the customer has to scroll.
    Partial,
}

fn visibility_of(slip: &Element) -> CardVisibility {
    let Ok(parts) = slip.query_selector_all(REQUIRED_VISIBLE) else {
        return CardVisibility::Partial;
    };
    let parts = (0..parts.length())
        .filter_map(|place| wasm_bindgen::JsCast::dyn_into::<Element>(parts.get(place)?).ok());
    let mut visibility = CardVisibility::Partial;
    for part in parts {
        let overflows = part.scroll_height() > part.client_height() + 1
            || part.scroll_width() > part.client_width() + 1;
        if overflows {
            return CardVisibility::TooLong;
        }
        if !is_visible(&part) {
            return CardVisibility::Partial;
        }
        visibility = CardVisibility::Full;
    }
    visibility
}

/// Whether an element is not clipped and not covered by another one.
fn is_visible(element: &Element) -> bool {
    let window = window();
    let size = |value: Result<wasm_bindgen::JsValue, _>| {
        let value: Result<wasm_bindgen::JsValue, wasm_bindgen::JsValue> = value;
        value.ok().and_then(|value| value.as_f64()).unwrap_or(0.0)
    };
    let mut frames = vec![ScreenArea {
        left: 0.0,
        top: 0.0,
        width: size(window.inner_width()),
        height: size(window.inner_height()),
    }];
    let mut parent = element.parent_element();
    while let Some(one) = parent {
        let style = window.get_computed_style(&one).ok().flatten();
        let overflow = style.and_then(|style| style.get_property_value("overflow").ok());
        if overflow.is_some_and(|overflow| overflow != "visible") {
            frames.push(ScreenArea::from_element(&one));
        }
        parent = one.parent_element();
    }
    let area = ScreenArea::from_element(element);
    is_unclipped(area, &frames)
        && sample_points(area).into_iter().all(|(x, y)| {
            let top = document().element_from_point(x as f32, y as f32);
            top.is_some_and(|top| element.contains(Some(&top)))
        })
}
