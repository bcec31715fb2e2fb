//! The session of the connected account.

use api_types::{Secret, SessionResponse};
use leptos::prelude::*;

use super::stored::StoredSessions;
use crate::{
    browser::{clock, storage},
    wallet::Wallet,
};

const STORED_AT: &str = "infra402.sessions";

/// The session of the connected account.
#[derive(Clone, Copy, Debug)]
pub struct WalletSession {
    sessions: RwSignal<StoredSessions>,
    wallet: Wallet,
}

impl WalletSession {
    /// Reads the sessions that an earlier visit has stored.
    pub fn load(wallet: Wallet) -> Self {
        Self {
            sessions: RwSignal::new(stored()),
            wallet,
        }
    }

    /// The connected account's token.
    pub fn token(&self) -> Signal<Option<Secret>> {
        let session = *self;
        Signal::derive(move || {
            let account = session.wallet.account().get()?;
            // A token that has expired by the device's clock may be valid by the service's.
            let _ = clock::server();
            session
                .sessions
                .with(|all| all.token(&account.address, clock::now()))
        })
    }

    /// The address of the connected account, if it is signed in.
    pub fn wallet(&self) -> Signal<Option<String>> {
        let (token, account) = (self.token(), self.wallet.account());
        Signal::derive(move || {
            token.get()?;
            Some(account.get()?.address)
        })
    }

    /// The connected account's token, without tracking its signals.
    pub fn token_untracked(&self) -> Option<Secret> {
        let account = self.wallet.account().get_untracked()?;
        self.sessions
            .with_untracked(|all| all.token(&account.address, clock::now()))
    }

    /// Stores a new session.
    pub fn store(&self, session: SessionResponse) {
        self.change(|all| all.insert(session, clock::now()));
    }

    /// Removes the connected account's token: the customer signed out, or the service no longer
    /// accepts it.
    pub fn remove(&self) {
        if let Some(account) = self.wallet.account().get_untracked() {
            self.change(|all| all.remove(&account.address));
        }
    }

    /// Takes over what another tab has stored. `key` is the changed key of the storage, none if all
    /// were cleared.
    pub fn sync(&self, key: Option<&str>) {
        if key.is_none_or(|key| key == STORED_AT) {
            self.sessions.set(stored());
        }
    }

    fn change(&self, change: impl FnOnce(&mut StoredSessions)) {
        let mut all = self.sessions.get_untracked();
        change(&mut all);
        storage::write(STORED_AT, &all.write());
        if self.sessions.with_untracked(|now| *now != all) {
            self.sessions.set(all);
        }
    }
}

fn stored() -> StoredSessions {
    StoredSessions::read(&storage::read(STORED_AT).unwrap_or_default())
}
