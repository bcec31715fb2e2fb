//! The wallet as the pages use it: the wallets that were found, the connected account, and what is
//! signed with it. `connect` connects and disconnects.

mod connect;

use std::collections::BTreeMap;

use api_types::Usdc;
use leptos::{prelude::*, task::spawn_local};
use serde_json::json;
use x402::{network::Network, purchase::Chosen, wire::exact::Authorization};

use super::{
    Account, Burner, WalletError, WalletInfo,
    balance::{self, BalanceSource},
    chain, discovery,
    info::{BURNER, LEGACY},
    provider::{self, Provider},
    wait::{ConnectAttempt, ConnectAttempts},
};
use crate::{
    browser::storage,
    config::Settings,
    lazy::{LazyChunk, LazyTable, NotLoaded},
};

/// Where the id of the chosen wallet is stored.
const CHOSEN_AT: &str = "infra402.wallet";

/// What is needed once there is an account.
#[derive(Clone, Copy)]
pub(crate) struct WalletEntries {
    pub(crate) reconnect: fn(Wallet, String, ConnectAttempt),
    pub(crate) read_balance: fn(Wallet, BalanceSource, Account),
}

pub(crate) static WALLET_ENTRIES: LazyTable<WalletEntries> = LazyTable::new(LazyChunk::Pay);

/// The customer's wallet.
#[derive(Clone, Copy, Debug)]
pub struct Wallet {
    found: RwSignal<Vec<WalletInfo>>,
    providers: StoredValue<BTreeMap<String, Provider>, LocalStorage>,
    account: RwSignal<Option<Account>>,
    attempts: StoredValue<ConnectAttempts>,
    burner: Burner,
    balance: RwSignal<Option<Usdc>>,
    network: RwSignal<Option<&'static Network>>,
    simulated: RwSignal<bool>,
    node: StoredValue<Option<String>>,
    demo: StoredValue<String>,
}

impl Wallet {
    /// Starts to look for wallets, and reconnects the one that was chosen on an earlier visit.
    pub fn start(settings: &Settings) -> Self {
        let network = Network::by_name(&settings.default_network);
        let wallet = Self {
            found: RwSignal::new(Vec::new()),
            providers: StoredValue::new_local(BTreeMap::new()),
            account: RwSignal::new(None),
            attempts: StoredValue::new(ConnectAttempts::default()),
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
        if storage::read(CHOSEN_AT).as_deref() == Some(BURNER) {
            wallet.connect_burner();
        }
        wallet
    }

    /// Every wallet that can be connected, the burner last.
    pub fn found(&self) -> Signal<Vec<WalletInfo>> {
        let (found, burner) = (self.found, self.burner);
        Signal::derive(move || {
            let mut all = found.get();
            // A wallet that announces itself is usually at `window.ethereum` as well.
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

    /// The burner wallet.
    pub fn burner(&self) -> Burner {
        self.burner
    }

    /// The account's USDC on the network of payments; none where it is not known.
    pub fn balance(&self) -> Signal<Option<Usdc>> {
        self.balance.into()
    }

    /// The network of payments.
    pub fn network(&self) -> Signal<Option<&'static Network>> {
        self.network.into()
    }

    /// Whether payments are simulated on the demo's ledger.
    pub fn simulated(&self) -> Signal<bool> {
        self.simulated.into()
    }

    /// Sets the network of payments, and whether payments are simulated.
    pub fn set_network(&self, network: Option<&'static Network>, simulated: bool) {
        self.network.set(network);
        self.simulated.set(simulated);
        self.burner.set_allowed(network, simulated);
        self.refresh_balance();
    }

    /// Sets a balance that a response contains.
    pub fn set_balance(&self, balance: Usdc) {
        self.balance.set(Some(balance));
    }

    /// Subtracts a payment from the balance, and reads the balance again.
    pub fn subtract(&self, amount: Usdc) {
        self.balance.update(|balance| {
            if let Some(balance) = balance {
                *balance = Usdc(balance.0.saturating_sub(amount.0));
            }
        });
        self.refresh_balance();
    }

    /// Reads the balance again.
    pub fn refresh_balance(&self) {
        let wallet = *self;
        let source = self.balance_source();
        let (Some(source), Some(account)) = (source, self.account.get_untracked()) else {
            return;
        };
        WALLET_ENTRIES.then(move |entries| match entries {
            Ok(entries) => (entries.read_balance)(wallet, source, account),
            Err(NotLoaded) => wallet.balance.set(None),
        });
    }

    pub(crate) fn read_balance(self, source: BalanceSource, account: Account) {
        spawn_local(async move {
            let balance = balance::read(&source, &account.address).await.ok();
            let now = self.account.get_untracked();
            if now.is_some_and(|now| now.address == account.address) {
                self.balance.set(balance);
            }
        });
    }

    /// Where the balance is read; none if no node is configured and payments are not simulated.
    fn balance_source(&self) -> Option<BalanceSource> {
        if self.simulated.get_untracked() {
            return Some(BalanceSource::Demo(self.demo.get_value()));
        }
        Some(BalanceSource::Node(
            self.node.get_value()?,
            self.network.get_untracked()?,
        ))
    }

    /// Switches the wallet to a network, and adds the network first if the wallet does not know it.
    ///
    /// # Errors
    /// The wallet's error.
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
        self.set_chain(provider::chain_id(&chain));
        Ok(())
    }

    /// The chain that the wallet is on; none for the burner wallet, which is on every chain.
    ///
    /// # Errors
    /// The wallet's error.
    pub async fn chain(&self) -> Result<Option<u64>, WalletError> {
        let Some(provider) = self.provider()? else {
            return Ok(None);
        };
        let chain = provider.request("eth_chainId", &json!([])).await?;
        let chain = provider::chain_id(&chain);
        self.set_chain(chain);
        Ok(chain)
    }

    /// Signs a payment. The signature is passed on as the wallet gave it, whatever its length.
    ///
    /// # Errors
    /// The wallet's error.
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
        // Some wallets accept the typed data only as a text.
        let typed = chosen.typed_data(authorization).to_string();
        provider
            .request_text("eth_signTypedData_v4", &json!([from, typed]))
            .await
    }

    /// Signs a text (EIP-191).
    ///
    /// # Errors
    /// The wallet's error.
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
