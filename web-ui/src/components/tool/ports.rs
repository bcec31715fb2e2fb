//! The published ports in the result of a call, with their addresses.

use api_types::{PortList, PortView};
use leptos::prelude::*;
use serde_json::Value;

use crate::{
    components::{Notice, PortAddress, Tone},
    text::ports,
};

/// Reads the ports of a result: one, or a list.
pub fn read_ports(result: Value) -> Option<Vec<PortView>> {
    match result.get("ports") {
        Some(_) => serde_json::from_value(result)
            .ok()
            .map(|list: PortList| list.ports),
        None => serde_json::from_value(result).ok().map(|port| vec![port]),
    }
}

/// The ports.
#[component]
pub fn PortResults(
    /// The lease, by its container's number.
    lease: String,
    /// The ports; a link is lost at a reload.
    ports: Vec<PortView>,
) -> impl IntoView {
    let problem = RwSignal::new(None);
    let rows = ports.into_iter().map(|port| {
        let (number, access) = (ports::port(port.port), ports::access(port.access));
        view! {
            <li>
                <span class="number">{number}</span>
                <span class="fine">{access}</span>
                <PortAddress lease=lease.clone() port=port problem=problem />
            </li>
        }
    });
    let rows = rows.collect_view();
    view! {
        <ul class="port-results" aria-label=ports::PORTS>{rows}</ul>
        <div aria-live="assertive">
            {move || problem.get().map(|text| view! { <Notice tone=Tone::Danger><p>{text}</p></Notice> })}
        </div>
    }
}
