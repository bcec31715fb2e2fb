//! From the press of "pay" to a stored signature: the lock, the chain, the wallet.

use std::cell::RefCell;

use alloy::primitives::{Address, FixedBytes};
use api_types::Secret;
use leptos::prelude::*;
use x402::{eip3009, purchase::Chosen, wire::exact::Authorization};

use super::{
    CardId, LoginCredential, PaidOperation, Pay, PaymentPhase, PendingPurchase, PurchaseSource,
    lock, send, stored,
};
use crate::{
    browser::clock,
    pay::stored_payment::{self, SignedRequest, StoredPayment},
    terminal,
    text::money::phase,
    wallet::{Account, WalletError, WalletKind, WalletWait},
};

/// The agent's tool that opens a terminal.
const CONSOLE_TOOL: &str = "open_container_console";

thread_local! {
    /// The card that waits for the wallet, and its wait. There is one payment at a time.
    static CURRENT_WAIT: RefCell<Option<(CardId, WalletWait)>> = const { RefCell::new(None) };
}

impl Pay {
    /// Asks the wallet once more for the signature of a card.
    pub fn ask_wallet_again(&self, id: CardId) {
        on_wait(id, WalletWait::ask_again);
    }

    /// Stops waiting for the wallet. What it signs after that is not sent.
    pub fn stop_waiting(&self, id: CardId) {
        on_wait(id, WalletWait::stop);
    }
}

/// Calls `act` with the wait for a card's signature, if it is still under way.
fn on_wait(id: CardId, act: fn(&WalletWait)) {
    CURRENT_WAIT.with_borrow(|current| {
        if let Some((_, wait)) = current.as_ref().filter(|(card, _)| *card == id) {
            act(wait);
        }
    });
}

/// Pays a card: asks the wallet to sign, and sends the signed request until its outcome is known.
pub(super) async fn pay(pay: Pay, id: CardId, credential: LoginCredential) {
    let Some(_lock) = lock::acquire().await else {
        lock::wait_for_other_tab(pay.other_tab_pays);
        pay.set_phase(id, PaymentPhase::Offered);
        return;
    };
    pay.other_tab_pays.set(false);
    let wait = WalletWait::default();
    CURRENT_WAIT.set(Some((id, wait.clone())));
    let signed = sign(pay, id, credential, &wait).await;
    CURRENT_WAIT.set(None);
    match signed {
        Ok((nonce, payment)) => {
            stored::insert(&nonce, &payment);
            pay.set_phase(id, PaymentPhase::Signed);
            send::send_until_known(pay, id, &nonce, payment).await;
        }
        Err(phase) => pay.set_phase(id, phase),
    }
}

/// Asks for the signature. Returns the nonce and what is to be stored, or the phase of the card if
/// nothing was signed.
async fn sign(
    pay: Pay,
    id: CardId,
    credential: LoginCredential,
    wait: &WalletWait,
) -> Result<(String, StoredPayment), PaymentPhase> {
    let pending = pay.pending.with_value(|all| all.get(&id).cloned());
    let account = pay.wallet.account().get_untracked();
    let (Some(pending), Some(account)) = (pending, account) else {
        return Err(phase_of(&WalletError::NoWallet));
    };
    let Some(chosen) = &pending.chosen else {
        return Err(phase_of(&WalletError::NoWallet));
    };
    if opens_a_terminal(&pending.source) {
        // Before the payment: without the terminal's code, the paid ticket would expire unused.
        let unpaid = |reason| PaymentPhase::Failed {
            message: format!("{reason} {}", phase::NOTHING_CHARGED),
        };
        terminal::load().await.map_err(unpaid)?;
    }
    ensure_chain(pay, id, chosen, &account, wait).await?;
    pay.set_phase(id, PaymentPhase::WalletOpen);
    let (authorization, signature) = ask_wallet(pay, chosen, &account, wait).await?;
    let nonce = authorization.nonce.to_string();
    let valid_before = u64::try_from(authorization.valid_before).unwrap_or(u64::MAX);
    // The idempotency key is not part of the payment, which the facilitator sees: the key gives
    // access to the response.
    let (name, value) = chosen.payment(authorization, signature, None).to_header();
    let header = (name.to_owned(), Secret::new(value));
    let shown = pay.with(id, |card| {
        (card.summary.clone(), card.offer.clone(), card.price.clone())
    });
    let Some((summary, Some(offer), price)) = shown else {
        return Err(PaymentPhase::Cancelled);
    };
    let payment = StoredPayment {
        signed: signed_request(pay, pending, header, credential, account),
        summary,
        offer,
        price,
        valid_before,
        counted: false,
        was_open: false,
    };
    Ok((nonce, payment))
}

fn opens_a_terminal(source: &PurchaseSource) -> bool {
    match source {
        PurchaseSource::Direct(item) => matches!(item.operation, PaidOperation::Console { .. }),
        PurchaseSource::Agent { tool, .. } => tool == CONSOLE_TOOL,
    }
}

fn signed_request(
    pay: Pay,
    pending: PendingPurchase,
    header: (String, Secret),
    credential: LoginCredential,
    account: Account,
) -> SignedRequest {
    match pending.source {
        PurchaseSource::Direct(item) => SignedRequest::Direct {
            call: Box::new(credential.add_to(&item.operation)),
            header,
            idempotency_key: Some(random_key()),
        },
        PurchaseSource::Agent {
            conversation,
            tool,
            pending,
            history,
        } => SignedRequest::Agent {
            conversation,
            tool,
            request: Box::new(stored_payment::resume_request(
                pending,
                history,
                header,
                credential,
                account.address,
                pay.session.token_untracked(),
            )),
        },
    }
}

/// The idempotency key of a request that the page sends. For a suspended call, the agent has its
/// own.
fn random_key() -> String {
    stored_payment::idempotency_key(FixedBytes::<16>::random().0)
}

async fn ensure_chain(
    pay: Pay,
    id: CardId,
    chosen: &Chosen,
    account: &Account,
    wait: &WalletWait,
) -> Result<(), PaymentPhase> {
    if account.wallet.kind == WalletKind::Burner {
        return Ok(());
    }
    let wanted = chosen.network;
    let is_on_chain = async || {
        let chain = wait.first_answer(|| pay.wallet.chain()).await;
        chain
            .map(|chain| chain == Some(wanted.chain_id))
            .map_err(|error| phase_of(&error))
    };
    if is_on_chain().await? {
        return Ok(());
    }
    pay.set_phase(id, PaymentPhase::SwitchingChain);
    let wrong = || PaymentPhase::WrongChain {
        wanted: wanted.display_name.to_owned(),
    };
    let switched = wait.first_answer(|| pay.wallet.switch_to(wanted)).await;
    match switched {
        Ok(()) if is_on_chain().await? => Ok(()),
        Err(error @ (WalletError::Stopped | WalletError::Unanswered)) => Err(phase_of(&error)),
        _ => Err(wrong()),
    }
}

/// Asks the wallet for the signature. Asked again, it is for the same authorization, so that two
/// answers are one payment.
async fn ask_wallet(
    pay: Pay,
    chosen: &Chosen,
    account: &Account,
    wait: &WalletWait,
) -> Result<(Authorization, String), PaymentPhase> {
    let from: Address = account
        .address
        .parse()
        .map_err(|_| phase_of(&WalletError::Locked))?;
    let authorization = chosen.authorization(from, clock::now(), eip3009::random_nonce());
    let ask = || pay.wallet.sign_payment(chosen, &authorization);
    match wait.first_answer(ask).await {
        Ok(signature) => Ok((authorization, signature)),
        Err(error) => Err(phase_of(&error)),
    }
}

fn phase_of(error: &WalletError) -> PaymentPhase {
    match error {
        WalletError::Declined => PaymentPhase::Declined,
        WalletError::Stopped => PaymentPhase::Unanswered { timed_out: false },
        WalletError::Unanswered => PaymentPhase::Unanswered { timed_out: true },
        other => PaymentPhase::Failed {
            message: other.to_string(),
        },
    }
}
