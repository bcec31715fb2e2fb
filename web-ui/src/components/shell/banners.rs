//! What everybody has to know on every page: what is simulated, what does not answer, which lease ends.

use leptos::prelude::*;

use crate::{
    components::{Glyph, Icon, Toasts, Tone},
    format::duration,
    state::{board::Board, expiry::Warnings, now::Now, services::Services},
    text::{self, shell},
};

/// Says in time that a lease ends, on whatever page the customer is.
#[component]
pub fn ExpiryWatch() -> impl IntoView {
    let (leases, now, toasts) = (Board::get().leases(), Now::get(), Toasts::get());
    let warnings = StoredValue::new(Warnings::default());
    Effect::new(move || {
        let now = now.get();
        let due = leases.with(|leases| {
            let leases = leases.as_deref().unwrap_or_default();
            warnings.try_update_value(|warnings| warnings.due(leases, now))
        });
        for warning in due.unwrap_or_default() {
            let left = duration(warning.seconds);
            toasts.say(
                Tone::Warning,
                text::leases::ends_in(&warning.hostname, &left),
            );
        }
    });
}

/// The banners below the header.
#[component]
pub fn Banners() -> impl IntoView {
    let services = Services::get();
    let simulated = services.simulated();
    let demo = move || {
        let parts = simulated.get();
        (!parts.is_empty()).then(|| {
            view! { <p class="banner" data-tone="demo">{shell::simulated(&parts)}</p> }
        })
    };
    let trouble = move || {
        if !services.online().get() {
            return vec![shell::OFFLINE];
        }
        let mut all = Vec::new();
        if services.catalog_error().get().is_some() {
            all.push(shell::LEASE_API_DOWN);
        }
        if services.agent_error().get().is_some() {
            all.push(shell::AGENT_DOWN);
        }
        all
    };
    let line = |text: &'static str| {
        view! { <p class="banner" data-tone="danger"><Icon glyph=Glyph::Alert />{text}</p> }
    };
    view! {
        <section class="banners" aria-label=shell::NOTICES>
            {demo}
            <div role="status" aria-live="polite">{move || trouble().into_iter().map(line).collect_view()}</div>
        </section>
    }
}
