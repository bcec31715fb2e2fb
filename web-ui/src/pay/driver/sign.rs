//! From the customer's yes to a signature that is stored: one tab, the right chain, the wallet.

use alloy::primitives::{Address, hex};
use api_types::Secret;
use leptos::prelude::*;
use x402::{eip3009, purchase::Chosen, wire::exact::Authorization};

use super::{Call, CardId, Credential, Pay, Phase, Source, Work, kept, lock, send};
use crate::{
    engine::clock,
    pay::record::{self, Record, Signed},
    terminal,
    text::money::phase,
    wallet::{Account, WalletError},
};

/// The agent's tool whose answer is a terminal.
const CONSOLE_TOOL: &str = "open_container_console";

/// Takes a card whose wallet is about to be opened to the end of its payment.
pub(super) async fn pay(pay: Pay, id: CardId, credential: Credential) {
    let Some(_lock) = lock::acquire().await else {
        lock::is_elsewhere(pay.elsewhere);
        pay.become_phase(id, Phase::Offered);
        return;
    };
    pay.elsewhere.set(false);
    match signed(pay, id, credential).await {
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
    on_the_right_chain(pay, id, chosen, &account).await?;
    pay.become_phase(id, Phase::WalletOpen);
    let (authorization, signature) = ask_wallet(pay, chosen, &account).await?;
    let nonce = authorization.nonce.to_string();
    let valid_before = u64::try_from(authorization.valid_before).unwrap_or(u64::MAX);
    let key = format!("web-{}", hex::encode(authorization.nonce));
    let direct = matches!(work.source, Source::Direct(_));
    // The agent gives the lease API its own key for a suspended call.
    let identifier = direct.then_some(key.as_str());
    let (name, value) = chosen
        .payment(authorization, signature, identifier)
        .to_header();
    let header = (name.to_owned(), Secret::new(value));
    let shown = pay.with(id, |card| {
        (card.summary.clone(), card.offer.clone(), card.price.clone())
    });
    let Some((summary, Some(offer), price)) = shown else {
        return Err(Phase::Cancelled);
    };
    let record = Record {
        signed: request(pay, work, header, credential, key, account),
        summary,
        offer,
        price,
        valid_before,
        counted: false,
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
    idempotency_key: String,
    account: Account,
) -> Signed {
    match work.source {
        Source::Direct(item) => Signed::Direct {
            call: Box::new(credential.put_into(&item.call)),
            header,
            idempotency_key,
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

async fn on_the_right_chain(
    pay: Pay,
    id: CardId,
    chosen: &Chosen,
    account: &Account,
) -> Result<(), Unsigned> {
    if account.wallet.kind == crate::wallet::WalletKind::Burner {
        return Ok(());
    }
    let wanted = chosen.network;
    let is_there = async || {
        pay.wallet
            .chain()
            .await
            .map(|chain| chain == Some(wanted.chain_id))
    };
    if is_there().await.map_err(|error| failed(&error))? {
        return Ok(());
    }
    pay.become_phase(id, Phase::SwitchingChain);
    let wrong = || Phase::WrongChain {
        wanted: wanted.display_name.to_owned(),
    };
    pay.wallet.switch_to(wanted).await.map_err(|_| wrong())?;
    match is_there().await {
        Ok(true) => Ok(()),
        _ => Err(wrong()),
    }
}

async fn ask_wallet(
    pay: Pay,
    chosen: &Chosen,
    account: &Account,
) -> Result<(Authorization, String), Unsigned> {
    let from: Address = account
        .address
        .parse()
        .map_err(|_| failed(&WalletError::Locked))?;
    let authorization = chosen.authorization(from, clock::now(), eip3009::random_nonce());
    match pay.wallet.sign_payment(chosen, &authorization).await {
        Ok(signature) => Ok((authorization, signature)),
        Err(WalletError::Declined) => Err(Phase::Declined),
        Err(error) => Err(failed(&error)),
    }
}

fn failed(error: &WalletError) -> Unsigned {
    Phase::Failed {
        message: error.to_string(),
    }
}
