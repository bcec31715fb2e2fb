//! Running a command in a container, and its result.

use api_types::{ExecRequest, ExecResponse, GuestRoute, price::price_call};
use leptos::prelude::*;

use crate::{
    components::{Glyph, Icon, pay::Purchase, tool::ExecOutput},
    format::usdc,
    pay::PaidOperation,
    state::services::Services,
    text::{files::access, leases},
};

/// The panel.
#[component]
pub fn ExecPanel(
    /// The container.
    ctid: u32,
) -> impl IntoView {
    let catalog = Services::get().catalog();
    let command = RwSignal::new(String::new());
    let asked = RwSignal::new(String::new());
    let outcome = RwSignal::new(None::<(String, ExecResponse)>);
    let purchase = Purchase::new(move |receipt| {
        if let Some(response) = receipt.read::<ExecResponse>() {
            outcome.set(Some((asked.get_untracked(), response)));
            command.set(String::new());
        }
    });
    let request = move || ExecRequest {
        command: command.get(),
        ..ExecRequest::default()
    };
    let problem = move || {
        let limits = catalog
            .with(|catalog| catalog.as_ref().map(|catalog| catalog.limits.clone()))
            .unwrap_or_default();
        limits
            .validate_exec(&request())
            .err()?
            .into_iter()
            .next()
            .map(|problem| problem.message)
    };
    let run = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        if untrack(problem).is_none() {
            asked.set(command.get_untracked());
            purchase.start(PaidOperation::Exec {
                ctid,
                request: untrack(request),
            });
        }
    };
    let fee = move || {
        let rates =
            catalog.with(|catalog| catalog.as_ref().map(|catalog| catalog.rates.clone()))?;
        Some(leases::call_price(&usdc(price_call(&rates).ok()?.total)))
    };
    let shown = move || {
        outcome.get().map(|(command, response)| {
            let by_terminal = response.via == Some(GuestRoute::Terminal);
            view! {
                <p class="exec-command"><code>"$ " {command}</code></p>
                <ExecOutput response=response />
                {by_terminal.then(|| view! { <p class="fine">{access::RAN_BY_TERMINAL}</p> })}
            }
        })
    };
    let field = format!("command-{ctid}");
    view! {
        <form class="panel" on:submit=run>
            <label for=field.clone()>{leases::COMMAND}</label>
            <div class="field-row">
                <input id=field type="text" class="mono" autocomplete="off" spellcheck="false" autocapitalize="none" placeholder=leases::COMMAND_PLACEHOLDER
                    prop:value=command on:input=move |event| command.set(event_target_value(&event)) />
                <button type="submit" class="button primary" disabled=move || problem().is_some()><Icon glyph=Glyph::Play />{leases::RUN}</button>
            </div>
            <p class="fine" prop:textContent=move || fee().unwrap_or_default()></p>
            <div aria-live="polite">{shown}</div>
        </form>
    }
}
