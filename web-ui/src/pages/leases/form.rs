//! The quick lease form: four sliders, the price, and the button to the payment. The price is
//! computed here by the service's own formula, and then confirmed by the service's quote.

use std::time::Duration;

use api_types::{Catalog, ErrorCode, LeaseRequest, Price, QuoteResponse, price::price_lease};
use leptos::{prelude::*, task::spawn_local};

use super::slider::StopSlider;
use crate::{
    components::{
        Glyph, Icon, Notice, Toasts, Tone,
        pay::{PriceLines, Purchase},
    },
    engine::use_engine,
    format::{mebibytes, minutes},
    pay::{PaidOperation, leased},
    state::{
        lease::board::Board,
        lease::form::{SliderStops, default_template, field_error, non_empty},
        services::Services,
    },
    text::{leases, leases::form, money},
};

/// The pause after the last change before the service is asked for a quote.
const QUOTE_DELAY: Duration = Duration::from_millis(350);

/// The form, once the catalog is known.
#[component]
pub fn LeaseFormPanel() -> impl IntoView {
    let catalog = Services::get().catalog();
    // An update of the catalog is mostly the same, and the form must keep its values.
    let catalog = Memo::new(move |_| {
        catalog.get().map(|catalog| Catalog {
            capacity_left: None,
            ..catalog
        })
    });
    view! {
        <section class="lease-form">
            <h2>{form::TITLE}</h2>
            {move || match catalog.get() {
                Some(catalog) => view! { <Fields catalog=catalog /> }.into_any(),
                None => view! { <p class="muted">{form::NO_CATALOG}</p> }.into_any(),
            }}
        </section>
    }
}

/// The values of the fields, each with its own signal.
#[derive(Clone, Copy)]
struct FormValues {
    cores: RwSignal<u32>,
    memory: RwSignal<u32>,
    disk: RwSignal<u32>,
    time: RwSignal<u32>,
    hostname: RwSignal<String>,
    template: RwSignal<String>,
}

impl FormValues {
    fn new(catalog: &Catalog) -> Self {
        let start = LeaseRequest::default();
        Self {
            cores: RwSignal::new(start.cores),
            memory: RwSignal::new(start.memory_mb),
            disk: RwSignal::new(start.disk_gb),
            time: RwSignal::new(start.runtime_minutes),
            hostname: RwSignal::default(),
            template: RwSignal::new(default_template(catalog).unwrap_or_default().to_owned()),
        }
    }

    /// The request to the lease API.
    fn request(self) -> LeaseRequest {
        LeaseRequest {
            cores: self.cores.get(),
            memory_mb: self.memory.get(),
            disk_gb: self.disk.get(),
            runtime_minutes: self.time.get(),
            hostname: self.hostname.with(|text| non_empty(text)),
            template: self.template.with(|text| non_empty(text)),
            ..LeaseRequest::default()
        }
    }
}

#[component]
fn Fields(catalog: Catalog) -> impl IntoView {
    let values = FormValues::new(&catalog);
    let limits = catalog.limits.clone();
    let rates = catalog.rates.clone();
    let toasts = Toasts::get();
    let board = Board::get();
    let purchase = Purchase::new(move |receipt| {
        board.refresh();
        if let Some(lease) = leased(&receipt) {
            toasts.show(Tone::Success, leases::ready(&lease.hostname));
        }
    });
    let request = Memo::new(move |_| values.request());
    let quote = request_quote(request);
    let price = Memo::new(move |_| {
        let confirmed = quote.with(|quote| {
            let (asked, quote) = quote.as_ref()?;
            request
                .with(|request| request == asked)
                .then(|| quote.price.clone())
                .flatten()
        });
        confirmed.or_else(|| {
            let request = request.get();
            price_lease(&rates, request.size(), request.runtime_minutes).ok()
        })
    });
    let problem = {
        let limits = limits.clone();
        Memo::new(move |_| request.with(|request| field_error(&limits, request, "hostname")))
    };
    let refusal = Memo::new(move |_| {
        quote.with(|quote| {
            let (asked, quote) = quote.as_ref()?;
            let current = request.with(|request| request == asked);
            let refused = current && !quote.acceptable && problem.with(Option::is_none);
            refused.then(|| refusal(quote))
        })
    });
    let warning = catalog.isolation_notice.clone();
    let barred = move || problem.with(Option::is_some) || refusal.with(Option::is_some);
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        if !barred() {
            purchase.start(PaidOperation::Lease(request.get_untracked()));
        }
    };
    view! {
        <form on:submit=submit>
            {warning.map(|text| view! { <Notice tone=Tone::Warning><p>{text}</p></Notice> })}
            <StopSlider label=form::CORES stops=SliderStops::cores(&limits) value=values.cores words=leases::cores />
            <StopSlider label=form::MEMORY stops=SliderStops::memory(&limits) value=values.memory words=mebibytes />
            <StopSlider label=form::DISK stops=SliderStops::disk(&limits) value=values.disk words=gibibytes />
            <StopSlider label=form::TIME stops=SliderStops::time(&limits) value=values.time words=minutes />
            <More catalog=catalog values=values problem=problem />
            <Total price=price />
            <p class="field-problem" role="status">{move || refusal.get()}</p>
            <button type="submit" class="button primary wide" disabled=barred><Icon glyph=Glyph::Receipt />{form::CONTINUE}</button>
            <p class="fine">{money::PROMISE}</p>
        </form>
    }
}

fn gibibytes(count: u32) -> String {
    mebibytes(count.saturating_mul(1024))
}

#[component]
fn More(catalog: Catalog, values: FormValues, problem: Memo<Option<String>>) -> impl IntoView {
    let option = |template: api_types::Template| {
        view! { <option value=template.name.clone()>{template.description}</option> }
    };
    let templates = (!catalog.templates.is_empty()).then(|| {
        view! {
            <label class="field">
                <span>{form::TEMPLATE}</span>
                <select prop:value=values.template on:change=move |event| values.template.set(event_target_value(&event))>
                    {catalog.templates.into_iter().map(option).collect_view()}
                </select>
            </label>
        }
    });
    view! {
        <details class="more">
            <summary>{form::MORE}<Icon glyph=Glyph::Chevron /></summary>
            <label class="field">
                <span>{form::HOSTNAME}</span>
                <input type="text" autocomplete="off" spellcheck="false" autocapitalize="none" placeholder=form::HOSTNAME_PLACEHOLDER prop:value=values.hostname
                    aria-invalid=move || problem.with(Option::is_some).to_string() on:input=move |event| values.hostname.set(event_target_value(&event)) />
            </label>
            <p class="field-problem" role="status">{move || problem.get()}</p>
            {templates}
        </details>
    }
}

#[component]
fn Total(price: Memo<Option<Price>>) -> impl IntoView {
    view! {
        <div class="form-price" aria-live="polite">{move || price.get().map(|price| view! { <PriceLines price=price /> })}</div>
    }
}

/// The service's quote, with the request that it is for. It is requested once the fields rest.
fn request_quote(request: Memo<LeaseRequest>) -> RwSignal<Option<(LeaseRequest, QuoteResponse)>> {
    let engine = use_engine();
    let quote = RwSignal::new(None);
    let waiting = StoredValue::new(None::<TimeoutHandle>);
    let forget = move || {
        if let Some(handle) = waiting.try_update_value(Option::take).flatten() {
            handle.clear();
        }
    };
    Effect::new(move || {
        let asked = request.get();
        forget();
        let ask = move || {
            spawn_local(async move {
                // Without a quote the price stays an estimate by the same formula. The payment
                // requests the price again.
                if let Ok(answer) = engine.lease.quote(&asked).await {
                    quote.try_set(Some((asked, answer)));
                }
            });
        };
        waiting.set_value(set_timeout_with_handle(ask, QUOTE_DELAY).ok());
    });
    on_cleanup(forget);
    quote
}

fn refusal(quote: &QuoteResponse) -> String {
    match quote.refusals.first() {
        _ if !quote.field_errors.is_empty() => {
            let problem = &quote.field_errors[0];
            format!("{}: {}", problem.field, problem.message)
        }
        Some(ErrorCode::CapacityExhausted) => form::NO_ROOM.to_owned(),
        _ => form::NOT_NOW.to_owned(),
    }
}
