//! The published ports of a lease's container: the address of each, who may open it, and a form that
//! publishes another one. `state` has the list and the requests.

mod state;

use api_types::{PortAccess, PortView};
use leptos::{html, prelude::*};
use web_sys::{HtmlSelectElement, SubmitEvent};

use self::state::PublishedPorts;
use crate::{
    components::{
        Glyph, Icon, Notice, PortAddress, RequestFailure, Tone, find_first, restore_focus,
    },
    text::{leases, ports, shell},
};

/// The port that the form offers.
const USUAL_PORT: &str = "8080";

/// The panel.
#[component]
pub fn PortsPanel(
    /// The lease.
    lease_id: String,
) -> impl IntoView {
    let state = PublishedPorts::new(lease_id);
    let (list, error) = (state.list(), state.error());
    let node = NodeRef::<html::Section>::new();
    // The row that had the focus is gone with its port.
    let closed =
        move || restore_focus(move || find_first(&node.try_get_untracked()??.into(), "input"));
    let loading = move || {
        let waits = list.with(Option::is_none) && error.with(Option::is_none);
        waits.then_some(shell::LOADING)
    };
    let problem = move || {
        let text = state.problem.get()?;
        Some(view! { <Notice tone=Tone::Danger><p>{text}</p>
            <button type="button" class="button small" on:click=move |_| state.problem.set(None)>{shell::DISMISS}</button>
        </Notice> })
    };
    let taken_down = move || {
        let reason = list.with(|list| list.as_ref().and_then(|list| list.taken_down.clone()))?;
        Some(view! { <Notice tone=Tone::Warning><p>{ports::taken_down(&reason)}</p></Notice> })
    };
    let numbers = Memo::new(move |_| {
        list.with(|list| {
            let ports = list.iter().flat_map(|list| &list.ports);
            ports.map(|port| port.port).collect::<Vec<_>>()
        })
    });
    let is_empty = Memo::new(move |_| {
        list.with(|list| list.as_ref().is_some_and(|list| list.ports.is_empty()))
    });
    view! {
        <section class="panel files" aria-label=ports::PORTS node_ref=node>
            <PublishForm state=state />
            <p class="fine" role="status">{move || state.done.get()}</p>
            <div aria-live="assertive">{problem}</div>
            <p class="muted" role="status">{loading}</p>
            {move || error.get().map(|error| view! { <RequestFailure error=error on_retry=move |()| state.reload() /> })}
            {taken_down}
            {move || (!numbers.with(Vec::is_empty)).then(|| view! {
                <ul class="files-list" aria-label=ports::PORTS>
                    <For each=move || numbers.get() key=|port| *port children=move |port| view! { <Row port=port state=state closed=closed /> } />
                </ul>
            })}
            {move || is_empty.get().then_some(view! { <p class="muted">{ports::EMPTY}</p> })}
        </section>
    }
}

#[component]
fn PublishForm(state: PublishedPorts) -> impl IntoView {
    let value = RwSignal::new(USUAL_PORT.to_owned());
    // The browser says what is wrong with another text.
    let publish = move |event: SubmitEvent| {
        event.prevent_default();
        if let Ok(port) = value.get_untracked().trim().parse() {
            state.publish(port, PortAccess::Owner);
        }
    };
    let words = move || {
        if state.busy.get() {
            ports::PUBLISHING
        } else {
            ports::PUBLISH
        }
    };
    let id = format!("port-{}", state.lease_id());
    view! {
        <form class="port-form" on:submit=publish>
            <label for=id.clone()>{ports::PORT}</label>
            <input id=id type="number" inputmode="numeric" min="1" max="65535" step="1" required
                prop:value=value on:input=move |event| value.set(event_target_value(&event)) />
            <button type="submit" class="button small" disabled=move || state.busy.get()><Icon glyph=Glyph::Up />{words}</button>
            <button type="button" class="button small" on:click=move |_| state.reload()><Icon glyph=Glyph::Refresh />{leases::REFRESH}</button>
        </form>
    }
}

#[component]
fn Row(
    port: u16,
    state: PublishedPorts,
    closed: impl Fn() + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let view: Memo<Option<PortView>> = Memo::new(move |_| {
        state.list().with(|list| {
            let mut ports = list.iter().flat_map(|list| &list.ports);
            ports.find(|view| view.port == port).cloned()
        })
    });
    let access = Memo::new(move |_| view.with(|view| view.as_ref().map(|view| view.access)));
    let select = NodeRef::<html::Select>::new();
    let show = move || {
        if let (Some(select), Some(access)) = (select.get(), access.get()) {
            select.set_value(access.as_str());
        }
    };
    Effect::new(show);
    let changed = move |event: web_sys::Event| {
        let select: HtmlSelectElement = event_target(&event);
        if let Some(access) = PortAccess::parse(&select.value()) {
            // It shows the new access once that is so.
            untrack(show);
            state.publish(port, access);
        }
    };
    let options = PortAccess::ALL.map(|access| {
        view! { <option value=access.as_str()>{ports::access(access)}</option> }
    });
    let address = move || {
        let port = view.get()?;
        Some(view! { <PortAddress lease=state.lease_id() port=port problem=state.problem /> })
    };
    view! {
        <li>
            <span class="number">{port}</span>
            <span class="files-name">{address}</span>
            <span class="port-access">
                <select node_ref=select aria-label=ports::access_of(port) disabled=move || state.busy.get() on:change=changed>{options}</select>
                <button type="button" class="button small" aria-label=ports::close(port) disabled=move || state.busy.get()
                    on:click=move |_| state.close(port, closed)><Icon glyph=Glyph::Cross />{ports::CLOSE}</button>
            </span>
        </li>
    }
}
