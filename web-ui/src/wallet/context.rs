//! The wallet as the pages use it: what was found, which account is connected, and the two things that it signs.

use std::collections::BTreeMap;

use api_types::Usdc;
use leptos::{prelude::*, task::spawn_local};
use serde_json::{Value, json};
use wasm_split_helpers::wasm_split;
use x402::{network::Network, purchase::Chosen, wire::exact::Authorization};

use super::{
    Account, Burner, WalletError, WalletInfo,
    balance::{self, Ledger},
    burner, chain, discovery,
    info::{self, BURNER, LEGACY},
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
    reconnect: fn(Wallet, String),
    ask_balance: fn(Wallet, Ledger, Account),
}

/// What it takes to have an account.
pub static PURSE: Part<Purse> = Part::new(|| Box::pin(purse()));

#[wasm_split(pay, fallible)]
fn purse() -> Result<Purse, NotLoaded> {
    Ok(Purse {
        burner: burner::stored,
        reconnect: |wallet, id| {
            spawn_local(async move { drop(wallet.connect_injected(&id, "eth_accounts").await) });
        },
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

    /// Connects a wallet and remembers the choice.
    ///
    /// # Errors
    /// The wallet's.
    pub async fn connect(&self, id: &str) -> Result<Account, WalletError> {
        if id == BURNER {
            self.burner.make()?;
            return self.connect_burner().ok_or(WalletError::NoWallet);
        }
        self.connect_injected(id, "eth_requestAccounts").await
    }

    /// Forgets the choice. What a wallet has allowed this page is the wallet's to forget.
    pub fn disconnect(&self) {
        storage::forget(CHOICE);
        self.become_account(None);
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

    /// Another tab has connected or left a wallet, or has another key in the burner.
    pub fn follow(&self, key: Option<&str>) {
        if key.is_some_and(|key| key != CHOICE && key != burner::KEY) {
            return;
        }
        self.burner.read_again();
        let wallet = *self;
        match storage::read(CHOICE) {
            Some(id) if id == BURNER => {
                if self.connect_burner().is_none() {
                    self.become_account(None);
                }
            }
            Some(id) => {
                spawn_local(
                    async move { drop(wallet.connect_injected(&id, "eth_accounts").await) },
                );
            }
            None => self.become_account(None),
        }
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

    fn add(&self, info: WalletInfo, provider: Provider) {
        let known = self
            .providers
            .with_value(|all| all.get(&info.id).is_some_and(|old| old.is(&provider)));
        if known {
            return;
        }
        self.listen(&info.id, &provider);
        let id = info.id.clone();
        self.providers
            .update_value(|all| drop(all.insert(id.clone(), provider)));
        self.found.update(|found| {
            found.retain(|other| other.id != info.id);
            found.push(info);
        });
        let waits = self.account.with_untracked(Option::is_none);
        if waits && storage::read(CHOICE).as_deref() == Some(&id) {
            let wallet = *self;
            // Chosen on an earlier visit: connected again if the wallet still allows it, without asking.
            PURSE.then(move |purse| {
                // Without it the customer connects by hand, as on a first visit.
                if let Ok(purse) = purse {
                    (purse.reconnect)(wallet, id);
                }
            });
        }
    }

    fn listen(&self, id: &str, provider: &Provider) {
        let (wallet, own) = (*self, id.to_owned());
        provider.on("accountsChanged", move |accounts| {
            wallet.if_connected(&own, |account| {
                let first = provider::addresses(&accounts).into_iter().next();
                first.map(|address| Account { address, ..account })
            });
        });
        let (wallet, own) = (*self, id.to_owned());
        provider.on("chainChanged", move |chain| {
            wallet.if_connected(&own, |account| {
                Some(Account {
                    chain_id: provider::chain_id(&chain),
                    ..account
                })
            });
        });
    }

    fn if_connected(&self, id: &str, change: impl FnOnce(Account) -> Option<Account>) {
        if let Some(account) = self.account.get_untracked()
            && account.wallet.id == id
        {
            self.become_account(change(account));
        }
    }

    async fn connect_injected(&self, id: &str, method: &str) -> Result<Account, WalletError> {
        let provider = self.providers.with_value(|all| all.get(id).cloned());
        let provider = provider.ok_or(WalletError::NoWallet)?;
        let info = self
            .found
            .with_untracked(|all| all.iter().find(|wallet| wallet.id == id).cloned());
        let accounts = provider.request(method, &Value::Array(Vec::new())).await?;
        let address = provider::addresses(&accounts).into_iter().next();
        let chain = provider.request("eth_chainId", &json!([])).await;
        let account = Account {
            address: address.ok_or(WalletError::Locked)?,
            chain_id: chain.ok().and_then(|chain| provider::chain_id(&chain)),
            wallet: info.ok_or(WalletError::NoWallet)?,
        };
        storage::write(CHOICE, id);
        self.become_account(Some(account.clone()));
        Ok(account)
    }

    fn connect_burner(&self) -> Option<Account> {
        let account = Account {
            address: info::checksummed(&self.burner.address().get_untracked()?)?,
            chain_id: None,
            wallet: WalletInfo::burner(),
        };
        storage::write(CHOICE, BURNER);
        self.become_account(Some(account.clone()));
        Some(account)
    }

    fn on_chain(&self, chain_id: Option<u64>) {
        let id = self
            .account
            .with_untracked(|account| Some(account.as_ref()?.wallet.id.clone()));
        if let Some(id) = id {
            self.if_connected(&id, |account| {
                Some(Account {
                    chain_id,
                    ..account
                })
            });
        }
    }

    fn become_account(&self, account: Option<Account>) {
        let before = self.account.get_untracked();
        if before == account {
            return;
        }
        let address = |account: &Option<Account>| account.as_ref().map(|a| a.address.clone());
        let other = address(&before) != address(&account);
        self.account.set(account);
        if other {
            self.balance.set(None);
            self.refresh_balance();
        }
    }
}
