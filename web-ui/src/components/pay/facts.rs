//! The terms of an offer: its price lines, network and payee, its expiry, balance and budget.

use api_types::Price;
use leptos::prelude::*;

use crate::{
    browser::clock,
    components::{Copyable, Fact, figure},
    engine::use_engine,
    format::{countdown, decimal_amount, quantity, short_address, usdc},
    pay::Offer,
    state::now::Now,
    text::{money, wallet},
};

/// A price with its lines and its total.
#[component]
pub fn PriceLines(
    /// The price.
    price: Price,
) -> impl IntoView {
    let line = |line: api_types::LineItem| {
        view! {
            <tr>
                <th scope="row" prop:textContent=line.label></th>
                <td class="line-quantity notranslate" prop:textContent=quantity(&line.quantity, &line.unit)></td>
                <td class="line-amount notranslate" prop:textContent=decimal_amount(line.amount)></td>
            </tr>
        }
    };
    view! {
        <table class="lines">
            <caption class="hidden">{money::LINES}</caption>
            <tbody>{price.lines.into_iter().map(line).collect_view()}</tbody>
            <tfoot>
                <tr><th scope="row" colspan="2">{money::TOTAL}</th><td class="line-amount notranslate" prop:textContent=usdc(price.total)></td></tr>
            </tfoot>
        </table>
    }
}

/// The terms of an offer.
#[component]
pub fn Facts(
    /// The offer.
    offer: Offer,
    /// Whether it can still be paid.
    open: Memo<bool>,
) -> impl IntoView {
    let engine = use_engine();
    let now = Now::get();
    let until = offer.valid_until;
    let valid = move || {
        // The signal of the time is up to a second behind.
        let now = now.get().max(clock::now());
        if until.unix() <= now {
            money::EXPIRED.to_owned()
        } else {
            countdown(until, now)
        }
    };
    let balance = engine.wallet.balance();
    let connected = engine.wallet.account();
    let has = move || {
        connected.with(Option::is_some).then(|| {
            let amount = move || {
                let balance = balance.get();
                balance.map_or_else(|| wallet::BALANCE_UNKNOWN.to_owned(), usdc)
            };
            view! { <Fact name=money::BALANCE>{figure(amount)}</Fact> }
        })
    };
    let (budget, spent) = (engine.pay.budget(), engine.pay.spent());
    let left = move || {
        let cap = budget.get().per_session?;
        let left = move || usdc(cap.checked_sub(spent.get()).unwrap_or_default());
        Some(view! { <Fact name=money::BUDGET_LEFT>{figure(left)}</Fact> })
    };
    let test = offer
        .testnet
        .then(|| view! { <span class="tag">{money::TESTNET}</span> });
    view! {
        <dl class="facts">
            <Fact name=money::NETWORK>{offer.network} " " {test}</Fact>
            <Fact name=money::PAY_TO><Copyable name=money::PAYEE short=short_address(&offer.pay_to) value=offer.pay_to /></Fact>
            {move || open.get().then(|| view! { <Fact name=money::VALID>{figure(valid)}</Fact> })}
            {has}
            {left}
        </dl>
    }
}
