//! The wallet as the pages use it: what was found, which account is connected, and the two things that it signs. `connect` has how it
//! comes to be connected.

mod connect;

use std::collections::BTreeMap;

use api_types::Usdc;
use leptos::{prelude::*, task::spawn_local};
use serde_json::json;
use wasm_split_helpers::wasm_split;
use x402::{network::Network, purchase::Chosen, wire::exact::Authorization};

use super::{
    Account, Burner, WalletError, WalletInfo,
    asking::{Attempt, Attempts},
    balance::{self, Ledger},
    burner, chain, discovery,
    info::{BURNER, LEGACY},
    provider::{self, Provider},
};
use crate::{
    config::Settings,
    engine::storage,
    part::{NotLoaded, Part},
};

const CHOICE: &str = "infra402.wallet";

/// What it takes to have an account, and a first visit does without.
#[derive(Clone, Copy)]
pub struct Purse {
    /// The address of the burner's stored key.
    pub(super) burner: fn() -> Option<String>,
    reconnect: fn(Wallet, String, Attempt),
    ask_balance: fn(Wallet, Ledger, Account),
}

/// What it takes to have an account.
pub static PURSE: Part<Purse> = Part::new(|| Box::pin(purse()));

#[wasm_split(pay, fallible)]
fn purse() -> Result<Purse, NotLoaded> {
    Ok(Purse {
        burner: burner::stored,
        reconnect: Wallet::reconnect,
        ask_balance: |wallet, ledger, account| {
            spawn_local(async move {
                let balance = balance::of(&ledger, &account.address).await.ok();
                let still = wallet.account.get_untracked();
                if still.is_some_and(|now| now.address == account.address) {
                    wallet.balance.set(balance);
                }
            });
        },
    })
}

/// The customer's wallet.
#[derive(Clone, Copy, Debug)]
pub struct Wallet {
    found: RwSignal<Vec<WalletInfo>>,
    providers: StoredValue<BTreeMap<String, Provider>, LocalStorage>,
    account: RwSignal<Option<Account>>,
    attempts: StoredValue<Attempts>,
    burner: Burner,
    balance: RwSignal<Option<Usdc>>,
    network: RwSignal<Option<&'static Network>>,
    simulated: RwSignal<bool>,
    node: StoredValue<Option<String>>,
    demo: StoredValue<String>,
}

impl Wallet {
    /// Looks for wallets from now on, and connects again to the one that was chosen on an earlier visit.
    pub fn start(settings: &Settings) -> Self {
        let network = Network::by_name(&settings.default_network);
        let wallet = Self {
            found: RwSignal::new(Vec::new()),
            providers: StoredValue::new_local(BTreeMap::new()),
            account: RwSignal::new(None),
            attempts: StoredValue::new(Attempts::default()),
            burner: Burner::load(network),
            balance: RwSignal::new(None),
            network: RwSignal::new(network),
            simulated: RwSignal::new(false),
            node: StoredValue::new(settings.rpc_url.clone()),
            demo: StoredValue::new(settings.lease_api_base.clone()),
        };
        discovery::listen(move |info, provider| wallet.add(info, provider));
        if let Some(provider) = discovery::legacy() {
            wallet.add(WalletInfo::legacy(), provider);
        }
        if storage::read(CHOICE).as_deref() == Some(BURNER) {
            wallet.connect_burner();
        }
        wallet
    }

    /// Every wallet that can be connected, the burner last.
    pub fn found(&self) -> Signal<Vec<WalletInfo>> {
        let (found, burner) = (self.found, self.burner);
        Signal::derive(move || {
            let mut all = found.get();
            // Who announces itself is usually at `window.ethereum` too.
            if all.len() > 1 {
                all.retain(|wallet| wallet.id != LEGACY);
            }
            if burner.allowed().get() {
                all.push(WalletInfo::burner());
            }
            all
        })
    }

    /// The connected account.
    pub fn account(&self) -> Signal<Option<Account>> {
        self.account.into()
    }

    /// The wallet of this browser.
    pub fn burner(&self) -> Burner {
        self.burner
    }

    /// The account's USDC on the network that is paid on; none where nobody can be asked.
    pub fn balance(&self) -> Signal<Option<Usdc>> {
        self.balance.into()
    }

    /// The network that is paid on.
    pub fn network(&self) -> Signal<Option<&'static Network>> {
        self.network.into()
    }

    /// Whether payments are on a ledger of the demo's, and on no chain.
    pub fn simulated(&self) -> Signal<bool> {
        self.simulated.into()
    }

    /// The deployment has said what it is paid in.
    pub fn paid_on(&self, network: Option<&'static Network>, simulated: bool) {
        self.network.set(network);
        self.simulated.set(simulated);
        self.burner.allow(network, simulated);
        self.refresh_balance();
    }

    /// Somebody else knows the balance, such as the demo's faucet.
    pub fn set_balance(&self, balance: Usdc) {
        self.balance.set(Some(balance));
    }

    /// A payment of this amount has been made.
    pub fn spend(&self, amount: Usdc) {
        self.balance.update(|balance| {
            if let Some(balance) = balance {
                *balance = Usdc(balance.0.saturating_sub(amount.0));
            }
        });
        self.refresh_balance();
    }

    /// Asks for the balance again.
    pub fn refresh_balance(&self) {
        let wallet = *self;
        let (Some(ledger), Some(account)) = (self.ledger(), self.account.get_untracked()) else {
            return;
        };
        PURSE.then(move |purse| match purse {
            Ok(purse) => (purse.ask_balance)(wallet, ledger, account),
            Err(NotLoaded) => wallet.balance.set(None),
        });
    }

    /// Who knows the balance; nobody, where no node is configured and the money is not the demo's.
    fn ledger(&self) -> Option<Ledger> {
        if self.simulated.get_untracked() {
            return Some(Ledger::Demo(self.demo.get_value()));
        }
        Some(Ledger::Node(
            self.node.get_value()?,
            self.network.get_untracked()?,
        ))
    }

    /// Puts the wallet on a network, which is told to it if it is new to it.
    ///
    /// # Errors
    /// The wallet's.
    pub async fn switch_to(&self, network: &'static Network) -> Result<(), WalletError> {
        let Some(provider) = self.provider()? else {
            return Ok(());
        };
        let id = json!([{"chainId": chain::hexadecimal(network.chain_id)}]);
        match provider.request("wallet_switchEthereumChain", &id).await {
            Err(WalletError::ChainUnknown) => {
                let node = self.node.get_value();
                let parameters = json!([chain::parameters(network, node.as_deref())]);
                provider
                    .request("wallet_addEthereumChain", &parameters)
                    .await?;
                provider.request("wallet_switchEthereumChain", &id).await?;
            }
            Err(other) => return Err(other),
            Ok(_) => {}
        }
        let chain = provider.request("eth_chainId", &json!([])).await?;
        self.on_chain(provider::chain_id(&chain));
        Ok(())
    }

    /// The chain that the wallet says it is on; none for a burner, which is on every one.
    ///
    /// # Errors
    /// The wallet's.
    pub async fn chain(&self) -> Result<Option<u64>, WalletError> {
        let Some(provider) = self.provider()? else {
            return Ok(None);
        };
        let chain = provider.request("eth_chainId", &json!([])).await?;
        let chain = provider::chain_id(&chain);
        self.on_chain(chain);
        Ok(chain)
    }

    /// Signs a payment. The signature is passed on as the wallet gave it, whatever its length.
    ///
    /// # Errors
    /// The wallet's.
    pub async fn sign_payment(
        &self,
        chosen: &Chosen,
        authorization: &Authorization,
    ) -> Result<String, WalletError> {
        let Some(provider) = self.provider()? else {
            return self.burner.sign(chosen.network, authorization);
        };
        let from = authorization.from.to_checksum(None);
        self.expect_account(&from)?;
        // Some wallets take the typed data only as a text.
        let typed = chosen.typed_data(authorization).to_string();
        provider
            .request_text("eth_signTypedData_v4", &json!([from, typed]))
            .await
    }

    /// Signs a text.
    ///
    /// # Errors
    /// The wallet's.
    pub async fn sign_text(&self, address: &str, text: &str) -> Result<String, WalletError> {
        let Some(provider) = self.provider()? else {
            return self.burner.sign_text(text);
        };
        self.expect_account(address)?;
        let bytes = alloy::primitives::hex::encode_prefixed(text);
        provider
            .request_text("personal_sign", &json!([bytes, address]))
            .await
    }

    fn expect_account(&self, address: &str) -> Result<(), WalletError> {
        let now = self.account.get_untracked();
        let same = now.is_some_and(|now| now.address.eq_ignore_ascii_case(address));
        same.then_some(()).ok_or(WalletError::WrongAccount)
    }

    /// The connected wallet's provider; none for the burner.
    fn provider(&self) -> Result<Option<Provider>, WalletError> {
        let account = self.account.get_untracked().ok_or(WalletError::NoWallet)?;
        if account.wallet.id == BURNER {
            return Ok(None);
        }
        let provider = self
            .providers
            .with_value(|all| all.get(&account.wallet.id).cloned());
        provider.map(Some).ok_or(WalletError::NoWallet)
    }
}
