//! The request that a payment lets through, whole, beside the button. What is paid without a question is paid from here, once all of it
//! was on the screen.

use std::time::Duration;

use leptos::{html, prelude::*};
use web_sys::Element;

use crate::{
    components::{Glyph, Icon},
    engine::use_engine,
    format::Piece,
    pay::{CardId, PayCard, Sends, sends::Member},
    state::{
        now::every,
        sight::{Area, probes, shows_all},
    },
    text::money,
};

/// How often it is looked whether all is on the screen.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// What has to be seen of a slip before it is paid without a question: what it is, what it costs, and what is sent.
const TO_BE_SEEN: &str = ".slip-head > *, .sends-text";

/// The request.
#[component]
pub(super) fn SendsBlock(
    /// Which payment.
    id: CardId,
    /// Its card.
    card: Signal<Option<PayCard>>,
    /// Whether it can still be paid.
    open: Memo<bool>,
) -> impl IntoView {
    let engine = use_engine();
    let sends = engine.pay.request(id).map(|request| Sends::of(&request));
    let node = NodeRef::<html::Div>::new();
    let waits =
        Memo::new(move |_| card.with(|card| card.as_ref().is_some_and(PayCard::waits_to_be_seen)));
    let too_long = RwSignal::new(false);
    every(LOOK_EVERY, move || {
        // The last tick may come after the slip is gone.
        if waits.try_get_untracked() != Some(true) {
            return;
        }
        let slip = node.try_get_untracked().flatten();
        let slip = slip.and_then(|node| node.closest(".slip").ok().flatten());
        let sight = slip.map_or(Sight::Elsewhere, |slip| look_at(&slip));
        too_long.try_set(sight == Sight::TooLong);
        if sight == Sight::Whole {
            engine.pay.seen(id);
        }
    });
    let body = move || {
        let sends = sends.clone().filter(|_| open.get())?;
        // A command is free text. Everything else is told by the summary, and can be looked up.
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
fn Members(sends: Sends) -> impl IntoView {
    let marked = sends.members.iter().any(|member| {
        let mut pieces = member.value.iter();
        pieces.any(|piece| matches!(piece, Piece::Mark(_)))
    });
    view! {
        <div class="sends-text" role="group" aria-label=money::sends::TITLE tabindex="0" translate="no">
            <p class="sends-line">{sends.line}</p>
            <dl>{sends.members.into_iter().map(member).collect_view()}</dl>
        </div>
        {marked.then(|| view! { <p class="fine">{money::sends::MARKS}</p> })}
    }
}

fn member(member: Member) -> impl IntoView {
    let piece = |piece| match piece {
        Piece::Plain(text) => text.into_any(),
        Piece::Mark(mark) => view! { <mark>{mark}</mark> }.into_any(),
        Piece::Break => view! { <br /> }.into_any(),
    };
    view! {
        <dt>{member.name}</dt>
        <dd>{member.value.into_iter().map(piece).collect_view()}</dd>
    }
}

/// What of a slip is on the screen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sight {
    /// All that has to be seen.
    Whole,
    /// Not all, because it has more text than its block shows at once.
    TooLong,
    /// Not all; the reader may scroll there.
    Elsewhere,
}

fn look_at(slip: &Element) -> Sight {
    let Ok(parts) = slip.query_selector_all(TO_BE_SEEN) else {
        return Sight::Elsewhere;
    };
    let parts = (0..parts.length())
        .filter_map(|place| wasm_bindgen::JsCast::dyn_into::<Element>(parts.get(place)?).ok());
    let mut sight = Sight::Elsewhere;
    for part in parts {
        let overflows = part.scroll_height() > part.client_height() + 1
            || part.scroll_width() > part.client_width() + 1;
        if overflows {
            return Sight::TooLong;
        }
        if !is_in_sight(&part) {
            return Sight::Elsewhere;
        }
        sight = Sight::Whole;
    }
    sight
}

/// Whether an element is whole within everything that clips it, and nothing lies over it.
fn is_in_sight(element: &Element) -> bool {
    let window = window();
    let size = |value: Result<wasm_bindgen::JsValue, _>| {
        let value: Result<wasm_bindgen::JsValue, wasm_bindgen::JsValue> = value;
        value.ok().and_then(|value| value.as_f64()).unwrap_or(0.0)
    };
    let mut frames = vec![Area {
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
            frames.push(area_of(&one));
        }
        parent = one.parent_element();
    }
    let area = area_of(element);
    shows_all(area, &frames)
        && probes(area).into_iter().all(|(x, y)| {
            let top = document().element_from_point(x as f32, y as f32);
            top.is_some_and(|top| element.contains(Some(&top)))
        })
}

fn area_of(element: &Element) -> Area {
    let lies = element.get_bounding_client_rect();
    Area {
        left: lies.left(),
        top: lies.top(),
        width: lies.width(),
        height: lies.height(),
    }
}
