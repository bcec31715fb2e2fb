//! The chunk `pay`: the pay card, the driver of payments, the wallet's dialog and the burner
//! wallet.

use leptos::prelude::*;
use wasm_split_helpers::wasm_split;

use crate::{
    components::{
        pay::{
            budget::{BUDGET_LIMITS, LimitsPopover},
            card::{PAY_CARD, PayCardEntries, PayCardView},
            purchase_item::describe,
        },
        wallet::dialog::{WALLET_CONTENT, WalletContent},
    },
    lazy::NotLoaded,
    pay::{
        Pay, PurchaseReceipt,
        driver::{PAY_DRIVER, PayDriver, lock, resume_stored},
    },
    wallet::{
        Wallet,
        burner::{BURNER_ADDRESS, stored_address},
        context::{WALLET_ENTRIES, WalletEntries},
    },
};

/// Fills the tables of the chunk.
#[wasm_split(pay, fallible)]
pub fn pay() -> Result<(), NotLoaded> {
    PAY_DRIVER.fill(PayDriver {
        start_direct: Pay::start_direct,
        request_offer: Pay::request_offer,
        start_agent: Pay::start_agent_call,
        resume_stored,
        lease: PurchaseReceipt::read,
        watch_other_tabs: lock::watch_other_tabs,
    });
    PAY_CARD.fill(PayCardEntries {
        view: |id, on_cancel, on_new_offer| {
            view! { <PayCardView id=id on_cancel=on_cancel on_new_offer=on_new_offer /> }.into_any()
        },
        describe,
    });
    BUDGET_LIMITS.fill(|| view! { <LimitsPopover /> }.into_any());
    WALLET_CONTENT.fill(|| view! { <WalletContent /> }.into_any());
    BURNER_ADDRESS.fill(stored_address);
    WALLET_ENTRIES.fill(WalletEntries {
        reconnect: Wallet::reconnect,
        read_balance: Wallet::read_balance,
    });
    Ok(())
}
