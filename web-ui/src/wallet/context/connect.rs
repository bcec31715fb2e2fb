//! Finding wallets, connecting one of them, and following what it does.

use leptos::{prelude::*, task::spawn_local};
use serde_json::{Value, json};

use super::{CHOICE, PURSE, Wallet};
use crate::{
    engine::storage,
    wallet::{
        Account, Patience, WalletError, WalletInfo,
        asking::Attempt,
        burner,
        info::{self, BURNER},
        provider::{self, Provider},
    },
};

impl Wallet {
    /// Connects a wallet and remembers the choice. Whatever was being connected before is given up.
    ///
    /// # Errors
    /// The wallet's; or it was not waited for any longer.
    pub async fn connect(&self, id: &str, patience: &Patience) -> Result<Account, WalletError> {
        let attempt = self.begin_attempt();
        if id == BURNER {
            self.burner.make()?;
            return self.connect_burner().ok_or(WalletError::NoWallet);
        }
        let ask = || self.connect_injected(id, "eth_requestAccounts", attempt);
        patience.wait(ask).await
    }

    /// Connects the wallet of an earlier visit again, if it still allows that, without asking.
    pub(super) fn reconnect(self, id: String, attempt: Attempt) {
        spawn_local(async move {
            drop(self.connect_injected(&id, "eth_accounts", attempt).await);
        });
    }

    fn begin_attempt(&self) -> Attempt {
        let mut attempts = self.attempts.get_value();
        let attempt = attempts.begin();
        self.attempts.set_value(attempts);
        attempt
    }

    /// Forgets the choice. What a wallet has allowed this page is the wallet's to forget.
    pub fn disconnect(&self) {
        self.begin_attempt();
        storage::forget(CHOICE);
        self.become_account(None);
    }

    /// Another tab has connected or left a wallet, or has another key in the burner.
    pub fn follow(&self, key: Option<&str>) {
        if key.is_some_and(|key| key != CHOICE && key != burner::KEY) {
            return;
        }
        self.burner.read_again();
        match storage::read(CHOICE) {
            Some(id) if id == BURNER => {
                self.begin_attempt();
                if self.connect_burner().is_none() {
                    self.become_account(None);
                }
            }
            Some(id) => {
                let attempt = self.begin_attempt();
                self.reconnect(id, attempt);
            }
            None => {
                self.begin_attempt();
                self.become_account(None);
            }
        }
    }

    pub(super) fn add(&self, info: WalletInfo, provider: Provider) {
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
        let quiet = self.attempts.get_value();
        let waits = self.account.with_untracked(Option::is_none) && !quiet.any();
        if waits && storage::read(CHOICE).as_deref() == Some(&id) {
            let wallet = *self;
            // Chosen on an earlier visit.
            PURSE.then(move |purse| {
                // Without it the customer connects by hand, as on a first visit.
                if let Ok(purse) = purse {
                    (purse.reconnect)(wallet, id, quiet.current());
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

    /// Asks for the account. An answer that comes after another attempt has begun changes nothing.
    async fn connect_injected(
        &self,
        id: &str,
        method: &str,
        attempt: Attempt,
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
        storage::write(CHOICE, id);
        self.become_account(Some(account.clone()));
        Ok(account)
    }

    pub(super) fn connect_burner(&self) -> Option<Account> {
        let account = Account {
            address: info::checksummed(&self.burner.address().get_untracked()?)?,
            chain_id: None,
            wallet: WalletInfo::burner(),
        };
        storage::write(CHOICE, BURNER);
        self.become_account(Some(account.clone()));
        Some(account)
    }

    pub(super) fn on_chain(&self, chain_id: Option<u64>) {
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
