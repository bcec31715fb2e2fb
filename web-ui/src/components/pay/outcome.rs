//! The end of a payment: its transaction, and what was bought.

use api_types::LeaseResponse;
use leptos::prelude::*;

use super::Delivered;
use crate::{
    components::{Copyable, Fact, Glyph, Icon},
    format::short_hash,
    pay::Receipt,
    text::money,
};

/// The receipt. In a conversation the tool's own card shows what was bought, so that it is not shown twice.
#[component]
pub fn Outcome(
    /// Proof of payment.
    receipt: Receipt,
    /// Whether the agent goes on with it.
    agent: bool,
) -> impl IntoView {
    let lease = (!agent).then(|| receipt.read::<LeaseResponse>()).flatten();
    view! {
        {receipt.transaction.clone().map(|hash| view! { <Transaction hash=hash url=receipt.explorer_url.clone() /> })}
        {lease.map(|lease| view! { <Delivered lease=lease /> })}
    }
}

#[component]
fn Transaction(hash: String, url: Option<String>) -> impl IntoView {
    let link = url.map(|url| {
        view! {
            <a class="out-link" href=url target="_blank" rel="noopener noreferrer">{money::VIEW_TRANSACTION}<Icon glyph=Glyph::Leave /></a>
        }
    });
    view! {
        <dl class="facts">
            <Fact name=money::TRANSACTION><Copyable name=money::TRANSACTION short=short_hash(&hash) value=hash /></Fact>
        </dl>
        {link}
    }
}
