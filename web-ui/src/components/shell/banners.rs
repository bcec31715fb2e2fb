//! What everybody has to know on every page: what is simulated, what does not answer.

use leptos::prelude::*;

use crate::{
    components::{Glyph, Icon, of_the_device},
    state::services::Services,
    text::shell,
};

/// The banners below the header.
#[component]
pub fn Banners() -> impl IntoView {
    let services = Services::get();
    let simulated = services.simulated();
    let notice = services.simulator_notice();
    let demo = move || {
        let parts = simulated.get();
        (!parts.is_empty()).then(|| {
            let text = shell::simulated(&parts, notice.get().as_deref());
            view! { <p class="banner" data-tone="demo" prop:textContent=text></p> }
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
            <div role="status" aria-live="polite">{of_the_device()}</div>
            <div role="status" aria-live="polite">{move || trouble().into_iter().map(line).collect_view()}</div>
        </section>
    }
}
