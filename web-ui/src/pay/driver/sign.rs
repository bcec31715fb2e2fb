//! From the customer's yes to a signature that is stored: one tab, the right chain, the wallet.

use std::cell::RefCell;

use alloy::primitives::{Address, FixedBytes};
use api_types::Secret;
use leptos::prelude::*;
use x402::{eip3009, purchase::Chosen, wire::exact::Authorization};

use super::{Call, CardId, Credential, Pay, Phase, Source, Work, kept, lock, send};
use crate::{
    engine::clock,
    pay::record::{self, Record, Signed},
    terminal,
    text::money::phase,
    wallet::{Account, Patience, WalletError},
};

/// The agent's tool whose answer is a terminal.
const CONSOLE_TOOL: &str = "open_container_console";

thread_local! {
    /// The card that waits for the wallet, and how long it does: one payment at a time.
    static WAITS: RefCell<Option<(CardId, Patience)>> = const { RefCell::new(None) };
}

impl Pay {
    /// Asks the wallet once more for the signature that a card waits for.
    pub fn ask_wallet_again(&self, id: CardId) {
        tell(id, Patience::ask_again);
    }

    /// Does not wait for the wallet any longer. What it signs after that is not sent.
    pub fn stop_waiting(&self, id: CardId) {
        tell(id, Patience::stop);
    }
}

/// Tells something to the waiting for a card's signature, if it is still waited for.
fn tell(id: CardId, what: fn(&Patience)) {
    WAITS.with_borrow(|waits| {
        if let Some((_, patience)) = waits.as_ref().filter(|(card, _)| *card == id) {
            what(patience);
        }
    });
}

/// Takes a card whose wallet is about to be opened to the end of its payment.
pub(super) async fn pay(pay: Pay, id: CardId, credential: Credential) {
    let Some(_lock) = lock::acquire().await else {
        lock::is_elsewhere(pay.elsewhere);
        pay.become_phase(id, Phase::Offered);
        return;
    };
    pay.elsewhere.set(false);
    let patience = Patience::default();
    WAITS.set(Some((id, patience.clone())));
    let signed = signed(pay, id, credential, &patience).await;
    WAITS.set(None);
    match signed {
        Ok((nonce, record)) => {
            kept::put(&nonce, &record);
            pay.become_phase(id, Phase::Signed);
            send::until_known(pay, id, &nonce, record).await;
        }
        Err(phase) => pay.become_phase(id, phase),
    }
}

/// The phase in which it ends, where nothing was signed.
type Unsigned = Phase;

async fn signed(
    pay: Pay,
    id: CardId,
    credential: Credential,
    patience: &Patience,
) -> Result<(String, Record), Unsigned> {
    let work = pay.work.with_value(|all| all.get(&id).cloned());
    let account = pay.wallet.account().get_untracked();
    let (Some(work), Some(account)) = (work, account) else {
        return Err(failed(&WalletError::NoWallet));
    };
    let Some(chosen) = &work.chosen else {
        return Err(failed(&WalletError::NoWallet));
    };
    if opens_a_terminal(&work.source) {
        // Not after the money: a ticket that nothing here can use is soon worth nothing.
        let unpaid = |words| Phase::Failed {
            message: format!("{words} {}", phase::NOTHING_CHARGED),
        };
        terminal::load().await.map_err(unpaid)?;
    }
    on_the_right_chain(pay, id, chosen, &account, patience).await?;
    pay.become_phase(id, Phase::WalletOpen);
    let (authorization, signature) = ask_wallet(pay, chosen, &account, patience).await?;
    let nonce = authorization.nonce.to_string();
    let valid_before = u64::try_from(authorization.valid_before).unwrap_or(u64::MAX);
    // Nothing in the payment names the request: whoever settles it sees that, and the key unlocks the answer.
    let (name, value) = chosen.payment(authorization, signature, None).to_header();
    let header = (name.to_owned(), Secret::new(value));
    let shown = pay.with(id, |card| {
        (card.summary.clone(), card.offer.clone(), card.price.clone())
    });
    let Some((summary, Some(offer), price)) = shown else {
        return Err(Phase::Cancelled);
    };
    let record = Record {
        signed: request(pay, work, header, credential, account),
        summary,
        offer,
        price,
        valid_before,
        counted: false,
        was_open: false,
    };
    Ok((nonce, record))
}

fn opens_a_terminal(source: &Source) -> bool {
    match source {
        Source::Direct(item) => matches!(item.call, Call::Console { .. }),
        Source::Agent { tool, .. } => tool == CONSOLE_TOOL,
    }
}

fn request(
    pay: Pay,
    work: Work,
    header: (String, Secret),
    credential: Credential,
    account: Account,
) -> Signed {
    match work.source {
        Source::Direct(item) => Signed::Direct {
            call: Box::new(credential.put_into(&item.call)),
            header,
            idempotency_key: Some(fresh_key()),
        },
        Source::Agent {
            conversation,
            tool,
            pending,
            history,
        } => Signed::Agent {
            conversation,
            tool,
            request: Box::new(record::resumed(
                pending,
                history,
                header,
                credential,
                account.address,
                pay.session.current(),
            )),
        },
    }
}

/// A key for a request of the page's own. The agent gives the lease API its own for a suspended call.
fn fresh_key() -> String {
    record::idempotency_key(FixedBytes::<16>::random().0)
}

async fn on_the_right_chain(
    pay: Pay,
    id: CardId,
    chosen: &Chosen,
    account: &Account,
    patience: &Patience,
) -> Result<(), Unsigned> {
    if account.wallet.kind == crate::wallet::WalletKind::Burner {
        return Ok(());
    }
    let wanted = chosen.network;
    let is_there = async || {
        let chain = patience.wait(|| pay.wallet.chain()).await;
        chain
            .map(|chain| chain == Some(wanted.chain_id))
            .map_err(|error| failed(&error))
    };
    if is_there().await? {
        return Ok(());
    }
    pay.become_phase(id, Phase::SwitchingChain);
    let wrong = || Phase::WrongChain {
        wanted: wanted.display_name.to_owned(),
    };
    let switched = patience.wait(|| pay.wallet.switch_to(wanted)).await;
    match switched {
        Ok(()) if is_there().await? => Ok(()),
        Err(error @ (WalletError::Stopped | WalletError::Unanswered)) => Err(failed(&error)),
        _ => Err(wrong()),
    }
}

/// Asks for the signature. However often that is, it is for one authorization, so that no two answers can be two payments.
async fn ask_wallet(
    pay: Pay,
    chosen: &Chosen,
    account: &Account,
    patience: &Patience,
) -> Result<(Authorization, String), Unsigned> {
    let from: Address = account
        .address
        .parse()
        .map_err(|_| failed(&WalletError::Locked))?;
    let authorization = chosen.authorization(from, clock::now(), eip3009::random_nonce());
    let ask = || pay.wallet.sign_payment(chosen, &authorization);
    match patience.wait(ask).await {
        Ok(signature) => Ok((authorization, signature)),
        Err(error) => Err(failed(&error)),
    }
}

fn failed(error: &WalletError) -> Unsigned {
    match error {
        WalletError::Declined => Phase::Declined,
        WalletError::Stopped => Phase::Unanswered { timed_out: false },
        WalletError::Unanswered => Phase::Unanswered { timed_out: true },
        other => Phase::Failed {
            message: other.to_string(),
        },
    }
}
