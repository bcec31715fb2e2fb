//! The result of a payment: what was bought, and its transaction.

use api_types::{LeaseResponse, RenewResponse};
use leptos::{html, prelude::*};

use super::{Delivered, Sheet};
use crate::{
    components::{Copyable, Fact, Glyph, Icon, Navigation},
    format::{one_line, short_hash, utc_minute},
    pay::{OwedPayment, PurchaseReceipt},
    state::route::Route,
    text::{money, money::delivered},
};

/// The longest reason that is shown in full.
const LONGEST_REASON: usize = 80;

/// The receipt. In a conversation the tool's card shows what was bought.
#[component]
pub fn PurchaseResult(
    /// The receipt.
    receipt: PurchaseReceipt,
    /// Whether it belongs to a conversation.
    agent: bool,
) -> impl IntoView {
    let bought = (!agent).then(|| bought(&receipt)).flatten();
    view! {
        {bought}
        {receipt.transaction.map(|hash| view! { <Transaction hash=hash url=receipt.explorer_url /> })}
    }
}

/// What was bought. It scrolls into view and takes the focus, because a password is shown only
/// once.
fn bought(receipt: &PurchaseReceipt) -> Option<AnyView> {
    let node = NodeRef::<html::Div>::new();
    let content = if let Some(lease) = receipt.read::<LeaseResponse>() {
        let sheet = Sheet::get();
        let copied = Callback::new(move |()| sheet.copied());
        let board = Callback::new(move |()| {
            if sheet.close() {
                Navigation::go(Route::LEASES);
            }
        });
        view! { <Delivered lease=lease on_copied=copied on_board=board /> }.into_any()
    } else {
        let renewed = receipt.read::<RenewResponse>()?;
        view! {
            <dl class="facts"><Fact name=delivered::UNTIL>{utc_minute(renewed.expires_at)}</Fact></dl>
        }
        .into_any()
    };
    Effect::new(move || {
        if let Some(element) = node.get() {
            // The dialog sets its own focus before that.
            request_animation_frame(move || {
                let _ = element.focus();
                element.scroll_into_view();
            });
        }
    });
    Some(view! { <div class="bought" tabindex="-1" node_ref=node>{content}</div> }.into_any())
}

/// The facts by which the seller finds a payment that is owed.
#[component]
pub fn OwedFacts(
    /// The payment.
    owed: OwedPayment,
) -> impl IntoView {
    let reason = owed
        .reason
        .map(|reason| one_line(&reason.replace('_', " "), LONGEST_REASON));
    view! {
        <dl class="facts">
            {owed.payment_id.map(|id| view! { <Fact name=money::PAYMENT_ID><Copyable name=money::PAYMENT_ID value=id /></Fact> })}
            {reason.map(|reason| view! { <Fact name=money::OWED_REASON>{reason}</Fact> })}
        </dl>
    }
}

/// A payment's transaction.
#[component]
pub fn Transaction(
    /// Its hash.
    hash: String,
    /// Its page on the block explorer.
    url: Option<String>,
) -> impl IntoView {
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
