//! Banners on every page: what is simulated, which service does not respond, and what is wrong with
//! the device.

use leptos::prelude::*;

use crate::{
    browser::{clock, storage},
    components::{Glyph, Icon},
    lazy::{LazyChunk, LazyTable},
    state::services::Services,
    text::shell,
};

pub(crate) static DEVICE_BANNERS: LazyTable<fn() -> AnyView> = LazyTable::new(LazyChunk::Pages);

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
    let failures = move || {
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
    let banner = |text: &'static str| {
        view! { <p class="banner" data-tone="danger"><Icon glyph=Glyph::Alert />{text}</p> }
    };
    view! {
        <section class="banners" aria-label=shell::NOTICES>
            {demo}
            <div role="status" aria-live="polite">{device_banners()}</div>
            <div role="status" aria-live="polite">{move || failures().into_iter().map(banner).collect_view()}</div>
        </section>
    }
}

/// The banners about the device, whose views are loaded only if there is a problem.
fn device_banners() -> impl IntoView {
    let has_problem = Memo::new(|_| clock::server().device_ahead().is_some() || storage::failed());
    move || {
        has_problem
            .get()
            .then(|| DEVICE_BANNERS.show_once_loaded(|banners| banners()))
    }
}

/// Problems of the device: its clock is wrong, or its storage stores nothing.
#[component]
pub(crate) fn DeviceBanners() -> impl IntoView {
    let problems = move || {
        let server = clock::server();
        let clock = server
            .device_ahead()
            .map(|ahead| shell::clock_off(ahead, server.is_followed()));
        let storage = storage::failed().then(|| shell::NOT_STORED.to_owned());
        [clock, storage]
    };
    let banner = |text: String| {
        view! { <p class="banner" data-tone="danger"><Icon glyph=Glyph::Alert /><span prop:textContent=text></span></p> }
    };
    move || problems().into_iter().flatten().map(banner).collect_view()
}
