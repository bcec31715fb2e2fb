//! The output of a command and how it ended, or that it runs in the background.

use api_types::ExecResponse;
use leptos::prelude::*;

use crate::{
    components::CopyButton,
    text::{leases, shell},
};

/// The result of a command.
#[component]
pub fn ExecOutput(
    /// The lease service's response.
    response: ExecResponse,
) -> impl IntoView {
    let (step, state) = leases::command_state(&response);
    let errors = (!response.stderr.is_empty()).then(|| {
        view! { <p class="eyebrow">{leases::STDERR}</p> <pre class="exec-text" translate="no" tabindex="0">{response.stderr}</pre> }
    });
    let is_quiet = errors.is_some() || response.command_id.is_some();
    let printed = match (response.stdout.is_empty(), is_quiet) {
        (false, _) => {
            view! { <pre class="exec-text" translate="no" tabindex="0">{response.stdout}</pre> }
                .into_any()
        }
        (true, true) => ().into_any(),
        (true, false) => view! { <p class="muted">{leases::NO_OUTPUT}</p> }.into_any(),
    };
    view! {
        <div class="exec">
            <p class="exec-head">
                <span class="pill" data-step=step>{state}</span>
                {response.truncated.then(|| view! { <span class="pill" data-step="waiting">{leases::TRUNCATED}</span> })}
                <CopyButton text=response.output label=shell::copy(leases::OUTPUT) />
            </p>
            {printed}
            {errors}
        </div>
    }
}
