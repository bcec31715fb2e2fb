//! Connecting a wallet, following its events, and disconnecting it.

use leptos::{prelude::*, task::spawn_local};
use serde_json::{Value, json};

use super::{CHOSEN_AT, WALLET_ENTRIES, Wallet};
use crate::{
    browser::storage,
    wallet::{
        Account, WalletError, WalletInfo, WalletWait, burner,
        info::{self, BURNER},
        provider::{self, Provider},
        wait::ConnectAttempt,
    },
};

impl Wallet {
    /// Connects a wallet and stores the choice. An earlier attempt that is under way is given up.
    ///
    /// # Errors
    /// The wallet's error, the customer stopped waiting, or the wallet did not answer in time.
    pub async fn connect(&self, id: &str, wait: &WalletWait) -> Result<Account, WalletError> {
        let attempt = self.begin_attempt();
        if id == BURNER {
            self.burner.create()?;
            return self.connect_burner().ok_or(WalletError::NoWallet);
        }
        let ask = || self.connect_injected(id, "eth_requestAccounts", attempt);
        wait.first_answer(ask).await
    }

    /// Reconnects the wallet of an earlier visit without asking the customer, if the wallet still
    /// allows it.
    pub(crate) fn reconnect(self, id: String, attempt: ConnectAttempt) {
        spawn_local(async move {
            drop(self.connect_injected(&id, "eth_accounts", attempt).await);
        });
    }

    fn begin_attempt(&self) -> ConnectAttempt {
        let mut attempts = self.attempts.get_value();
        let attempt = attempts.begin();
        self.attempts.set_value(attempts);
        attempt
    }

    /// Disconnects the wallet and removes the choice. The wallet itself may still allow this page
    /// to see its accounts.
    pub fn disconnect(&self) {
        self.begin_attempt();
        storage::remove(CHOSEN_AT);
        self.set_account(None);
    }

    /// Takes over another tab's choice of a wallet, and its key of the burner wallet. `key` is the
    /// changed key of the storage, none if all were cleared.
    pub fn sync(&self, key: Option<&str>) {
        if key.is_some_and(|key| key != CHOSEN_AT && key != burner::STORED_AT) {
            return;
        }
        self.burner.reload();
        match storage::read(CHOSEN_AT) {
            Some(id) if id == BURNER => {
                self.begin_attempt();
                if self.connect_burner().is_none() {
                    self.set_account(None);
                }
            }
            Some(id) => {
                let attempt = self.begin_attempt();
                self.reconnect(id, attempt);
            }
            None => {
                self.begin_attempt();
                self.set_account(None);
            }
        }
    }

    pub(super) fn add(&self, info: WalletInfo, provider: Provider) {
        let known = self
            .providers
            .with_value(|all| all.get(&info.id).is_some_and(|old| old.is_same(&provider)));
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
        let attempts = self.attempts.get_value();
        let is_untouched = self.account.with_untracked(Option::is_none) && !attempts.any();
        // The wallet was chosen on an earlier visit.
        if is_untouched && storage::read(CHOSEN_AT).as_deref() == Some(&id) {
            let wallet = *self;
            WALLET_ENTRIES.then(move |entries| {
                // If the chunk cannot be loaded, the customer connects by hand, as on a first
                // visit.
                if let Ok(entries) = entries {
                    (entries.reconnect)(wallet, id, attempts.current());
                }
            });
        }
    }

    fn listen(&self, id: &str, provider: &Provider) {
        let (wallet, own) = (*self, id.to_owned());
        provider.on("accountsChanged", move |accounts| {
            wallet.update_account(&own, |account| {
                let first = provider::addresses(&accounts).into_iter().next();
                first.map(|address| Account { address, ..account })
            });
        });
        let (wallet, own) = (*self, id.to_owned());
        provider.on("chainChanged", move |chain| {
            wallet.update_account(&own, |account| {
                Some(Account {
                    chain_id: provider::chain_id(&chain),
                    ..account
                })
            });
        });
    }

    fn update_account(&self, id: &str, change: impl FnOnce(Account) -> Option<Account>) {
        if let Some(account) = self.account.get_untracked()
            && account.wallet.id == id
        {
            self.set_account(change(account));
        }
    }

    /// Asks a wallet for its account. An answer that comes after another attempt has begun changes
    /// nothing.
    async fn connect_injected(
        &self,
        id: &str,
        method: &str,
        attempt: ConnectAttempt,
    ) -> Result<Account, WalletError> {
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
        if !self.attempts.get_value().is_current(attempt) {
            return Err(WalletError::Outdated);
        }
        storage::write(CHOSEN_AT, id);
        self.set_account(Some(account.clone()));
        Ok(account)
    }

    pub(super) fn connect_burner(&self) -> Option<Account> {
        let account = Account {
            address: info::checksummed(&self.burner.address().get_untracked()?)?,
            chain_id: None,
            wallet: WalletInfo::burner(),
        };
        storage::write(CHOSEN_AT, BURNER);
        self.set_account(Some(account.clone()));
        Some(account)
    }

    pub(super) fn set_chain(&self, chain_id: Option<u64>) {
        let id = self
            .account
            .with_untracked(|account| Some(account.as_ref()?.wallet.id.clone()));
        if let Some(id) = id {
            self.update_account(&id, |account| {
                Some(Account {
                    chain_id,
                    ..account
                })
            });
        }
    }

    fn set_account(&self, account: Option<Account>) {
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
