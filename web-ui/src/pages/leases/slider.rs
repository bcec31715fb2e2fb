//! A slider with stops, and its value in words.

use leptos::prelude::*;

use crate::state::lease::form::SliderStops;

/// A slider.
#[component]
pub fn StopSlider(
    /// What it sets.
    label: &'static str,
    /// Its stops.
    stops: SliderStops,
    /// The value.
    value: RwSignal<u32>,
    /// The value in words.
    words: fn(u32) -> String,
) -> impl IntoView {
    let last = stops.last();
    let position = {
        let stops = stops.clone();
        move || stops.nearest(value.get())
    };
    let moved = move |event: web_sys::Event| {
        if let Ok(position) = event_target_value(&event).parse::<usize>() {
            value.set(stops.at(position));
        }
    };
    let filled = {
        let position = position.clone();
        move || {
            let share = position() as f64 / last.max(1) as f64;
            format!("{:.1}%", share * 100.0)
        }
    };
    view! {
        <label class="slider">
            <span class="slider-label">{label}</span>
            <span class="slider-value number notranslate" aria-hidden="true" prop:textContent=move || words(value.get())></span>
            <input type="range" min="0" max=last.to_string() step="1" prop:value=move || position().to_string() style=("--filled", filled)
                aria-valuetext=move || words(value.get()) on:input=moved disabled={last == 0} />
        </label>
    }
}
