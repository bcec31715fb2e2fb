//! The receipts: payments with their transactions, and their export.

use std::collections::BTreeMap;

use leptos::prelude::*;
use wasm_bindgen::JsValue;

use crate::{
    api::ListedPayment,
    browser::save,
    components::{Copyable, Empty, Glyph, Icon, LocalTime, RequestFailure, wallet::SignInGate},
    format::{one_line, short_hash, usdc},
    state::{
        lease::board::Board,
        payment::receipts::{csv, json, owed_sum, settled_sum},
        services::Services,
    },
    text::{
        leases,
        money::{self, receipts},
        shell,
    },
};

/// The receipts.
#[component]
pub fn ReceiptsPage() -> impl IntoView {
    view! {
        <div class="page">
            <header class="page-head">
                <div><h1>{shell::RECEIPTS}</h1><p class="muted">{receipts::HELP}</p></div>
                <RefreshButton />
            </header>
            <SignInGate><Payments /></SignInGate>
        </div>
    }
}

#[component]
fn RefreshButton() -> impl IntoView {
    let board = Board::get();
    let loading = board.payments_loading();
    view! {
        <button type="button" class="button small" aria-disabled=move || loading.get().to_string() on:click=move |_| board.refresh()>
            <Icon glyph=Glyph::Refresh />{leases::REFRESH}
        </button>
    }
}

#[component]
fn Payments() -> impl IntoView {
    let board = Board::get();
    board.refresh();
    let (payments, error) = (board.payments(), board.payments_error());
    let body = move || match payments.get() {
        None if error.with(Option::is_some) => ().into_any(),
        None => view! { <p class="muted" role="status">{shell::LOADING}</p> }.into_any(),
        Some(payments) if payments.is_empty() => {
            view! { <Empty glyph=Glyph::Receipt title=receipts::EMPTY help=receipts::EMPTY_HELP /> }
                .into_any()
        }
        Some(payments) => view! { <Table payments=payments /> }.into_any(),
    };
    view! {
        {move || error.get().map(|error| view! { <RequestFailure error=error on_retry=move |()| board.refresh() /> })}
        {body}
    }
}

#[component]
fn Table(payments: Vec<ListedPayment>) -> impl IntoView {
    let sum = usdc(settled_sum(&payments));
    let owed = Some(owed_sum(&payments)).filter(|owed| owed.0 > 0).map(|owed| {
        view! { " · " <span class="muted">{receipts::OWED}</span> " " <strong class="number" translate="no" prop:textContent=usdc(owed)></strong> }
    });
    let (table, list) = (csv(&payments), json(&payments));
    let leases = Board::get().leases();
    let names = Memo::new(move |_| {
        let leases = leases.get().unwrap_or_default();
        let name = |lease: api_types::LeaseView| (lease.lease_id, (lease.hostname, lease.ctid));
        leases.into_iter().map(name).collect::<ContainerNames>()
    });
    let column = |name: &'static str| view! { <th scope="col">{name}</th> };
    view! {
        <div class="receipts-head">
            <p><span class="muted">{receipts::SUM}</span> " " <strong class="number" translate="no" prop:textContent=sum></strong>{owed}</p>
            <div class="actions">
                <button type="button" class="button small" on:click=move |_| download(&table, receipts::CSV_NAME, "text/csv;charset=utf-8")><Icon glyph=Glyph::Download />{receipts::CSV}</button>
                <button type="button" class="button small" on:click=move |_| download(&list, receipts::JSON_NAME, "application/json")><Icon glyph=Glyph::Download />{receipts::JSON}</button>
            </div>
        </div>
        <table class="receipts">
            <thead><tr>{receipts::COLUMNS.map(column).into_iter().collect_view()}</tr></thead>
            <tbody>{payments.into_iter().map(|payment| view! { <PaymentRow payment=payment names=names /> }).collect_view()}</tbody>
        </table>
    }
}

/// Name and number of the container, by lease.
type ContainerNames = BTreeMap<String, (String, u32)>;

#[component]
fn PaymentRow(payment: ListedPayment, names: Memo<ContainerNames>) -> impl IntoView {
    let [when, what, container, amount, state, transaction] = receipts::COLUMNS;
    let demo = Services::get().demo_money();
    let lease = payment.lease_id;
    let container_name = move || {
        let lease = lease.as_ref()?;
        names.with(|names| {
            names.get(lease).map(|(name, ctid)| view! { <span class="receipts-name">{name.clone()}</span> " " <span class="tag">{*ctid}</span> })
        })
    };
    let tone = match payment.state.as_str() {
        "settled" => "active",
        "refused" | "released" => "gone",
        "owed" | "unresolved" => "stopped",
        _ => "pending",
    };
    let meaning = receipts::meaning(&payment.state);
    let meaning = match payment.reason {
        Some(reason) => format!("{meaning} ({})", one_line(&reason, 80)),
        None => meaning.to_owned(),
    };
    let needs_text = !receipts::is_plain(&payment.state);
    let explanation = needs_text.then(|| view! { <p class="fine">{meaning.clone()}</p> });
    let hash = match payment.transaction {
        Some(hash) => {
            // The demo's transactions look like those of a chain and are on no chain.
            let url = payment.explorer_url.filter(|_| !demo.get_untracked());
            let link = url.map(|url| {
                view! {
                    <a class="icon-button" href=url target="_blank" rel="noopener noreferrer" aria-label=money::VIEW_TRANSACTION title=money::VIEW_TRANSACTION><Icon glyph=Glyph::Leave /></a>
                }
            });
            view! {
                <Copyable name=money::TRANSACTION short=short_hash(&hash) value=hash />
                {link}
            }
            .into_any()
        }
        None => view! { <span class="muted">{receipts::NO_TRANSACTION}</span> }.into_any(),
    };
    view! {
        <tr>
            <td data-label=when class="number"><LocalTime at=payment.created_at /></td>
            <td data-label=what>{receipts::operation(&payment.operation).to_owned()}</td>
            <td data-label=container><span class="receipts-container">{container_name}</span></td>
            <td data-label=amount class="number receipts-amount" translate="no" prop:textContent=usdc(payment.amount)></td>
            <td data-label=state><div class="receipts-state"><span class="pill" data-status=tone title=meaning prop:textContent=receipts::state(&payment.state)></span>{explanation}</div></td>
            <td data-label=transaction>{hash}</td>
        </tr>
    }
}

/// Saves a text as a file. If the browser creates no address for it, nothing is saved.
fn download(text: &str, name: &str, kind: &str) {
    let parts = js_sys::Array::of1(&JsValue::from_str(text));
    let options = web_sys::BlobPropertyBag::new();
    options.set_type(kind);
    let Ok(blob) = web_sys::Blob::new_with_str_sequence_and_options(&parts, &options) else {
        return;
    };
    save(&blob, name);
}
