//! The address of a published port, which opens it in a new tab.

use api_types::{PortAccess, PortView};
use leptos::{prelude::*, task::spawn_local};
use wasm_bindgen::JsValue;
use web_sys::Window;

use super::CopyButton;
use crate::{
    engine::use_engine,
    text::{ports, shell},
};

/// The address, and a button that copies it. The owner's browser is let in by a ticket, which is
/// asked for when the address is opened.
#[component]
pub fn PortAddress(
    /// The lease, by its id or its container's number.
    lease: String,
    /// The port.
    port: PortView,
    /// Why it could not be opened.
    problem: RwSignal<Option<String>>,
) -> impl IntoView {
    let link = port.link.as_ref().map(|link| link.expose().to_owned());
    let opens = match port.access {
        PortAccess::Owner => None,
        PortAccess::Link => link.clone(),
        PortAccess::Public => Some(port.url.clone()),
    };
    let number = port.port;
    let label = format!("{} {}", ports::open(number), port.url);
    let copied = match link {
        Some(_) => ports::link_of(number),
        None => ports::address_of(number),
    };
    let copy = link.unwrap_or_else(|| port.url.clone());
    let address = match opens {
        Some(href) => view! {
            <a class="link" href=href target="_blank" rel="noopener noreferrer" aria-label=label translate="no">{port.url}</a>
        }
        .into_any(),
        None => {
            let api = use_engine().lease;
            let url = port.url.clone();
            let press = move |_| {
                let (lease, url) = (lease.clone(), url.clone());
                problem.set(None);
                // Only now, while the press lasts, may a tab be opened.
                let Some(tab) = empty_tab() else {
                    problem.set(Some(ports::NO_TAB.to_owned()));
                    return;
                };
                spawn_local(async move {
                    let visit = api.visit_port(&lease, number).await;
                    // A container's number may be another lease's by now.
                    let failed = match &visit {
                        Ok(visit) if !visit.url.expose().starts_with(&url) => Some(ports::OVER.to_owned()),
                        Ok(visit) => {
                            let went = tab.location().replace(visit.url.expose());
                            went.is_err().then(|| ports::NO_TAB.to_owned())
                        }
                        Err(error) => Some(error.to_string()),
                    };
                    if failed.is_some() {
                        // It stays open if the browser does not let the page close it.
                        let _ = tab.close();
                        problem.try_set(failed);
                    }
                });
            };
            view! { <button type="button" class="link" aria-label=label translate="no" on:click=press>{port.url}</button> }.into_any()
        }
    };
    view! { <span class="port-address">{address}<CopyButton text=copy label=shell::copy(&copied) /></span> }
}

/// A new tab that cannot reach this page.
fn empty_tab() -> Option<Window> {
    let tab = window().open_with_url_and_target("", "_blank").ok()??;
    tab.set_opener(&JsValue::NULL).ok()?;
    Some(tab)
}
