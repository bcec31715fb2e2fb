//! The session of the connected account.

use api_types::{Secret, SessionChallengeRequest, SessionRequest};
use leptos::prelude::*;

use super::stored::Sessions;
use crate::{
    api::{ApiError, LeaseApi},
    engine::{clock, storage},
    wallet::{Patience, Wallet, WalletError},
};

const KEY: &str = "infra402.sessions";

/// Why nobody is signed in.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SignInError {
    /// The wallet did not sign.
    #[error(transparent)]
    Wallet(#[from] WalletError),
    /// The service did not take it.
    #[error(transparent)]
    Api(#[from] ApiError),
}

/// The session of the connected account.
#[derive(Clone, Copy, Debug)]
pub struct Session {
    sessions: RwSignal<Sessions>,
    wallet: Wallet,
}

impl Session {
    /// What an earlier visit has left.
    pub fn load(wallet: Wallet) -> Self {
        let kept = storage::read(KEY).unwrap_or_default();
        Self {
            sessions: RwSignal::new(Sessions::read(&kept)),
            wallet,
        }
    }

    /// The connected account's token.
    pub fn token(&self) -> Signal<Option<Secret>> {
        let session = *self;
        Signal::derive(move || {
            let account = session.wallet.account().get()?;
            // A token that has ended by the device's clock may be good by the service's.
            let _ = clock::server();
            session
                .sessions
                .with(|all| all.token(&account.address, clock::now()))
        })
    }

    /// The connected account, if it is signed in.
    pub fn wallet(&self) -> Signal<Option<String>> {
        let (token, account) = (self.token(), self.wallet.account());
        Signal::derive(move || {
            token.get()?;
            Some(account.get()?.address)
        })
    }

    /// The token at this moment, without watching it.
    pub fn current(&self) -> Option<Secret> {
        let account = self.wallet.account().get_untracked()?;
        self.sessions
            .with_untracked(|all| all.token(&account.address, clock::now()))
    }

    /// Signs the connected account in.
    ///
    /// # Errors
    /// The wallet did not sign or was not waited for any longer, or the service did not take it.
    pub async fn sign_in(&self, api: LeaseApi, patience: &Patience) -> Result<(), SignInError> {
        let account = self.wallet.account().get_untracked();
        let account = account.ok_or(WalletError::NoWallet)?;
        let network = self.wallet.network().get_untracked();
        let chain_id = account.chain_id.or(network.map(|network| network.chain_id));
        let challenge = api
            .challenge(&SessionChallengeRequest {
                address: account.address.clone(),
                chain_id,
            })
            .await?;
        let ask = || self.wallet.sign_text(&account.address, &challenge.message);
        let signature = patience.wait(ask).await?;
        let session = api
            .sign_in(&SessionRequest {
                message: challenge.message,
                signature: Secret::new(signature),
            })
            .await?;
        self.change(|all| all.keep(session, clock::now()));
        Ok(())
    }

    /// Forgets the connected account's token.
    pub fn sign_out(&self) {
        self.forget();
    }

    /// The service no longer takes the token.
    pub fn forget(&self) {
        if let Some(account) = self.wallet.account().get_untracked() {
            self.change(|all| all.forget(&account.address));
        }
    }

    /// Another tab has signed in or out.
    pub fn follow(&self, key: Option<&str>) {
        if key.is_none_or(|key| key == KEY) {
            let kept = storage::read(KEY).unwrap_or_default();
            self.sessions.set(Sessions::read(&kept));
        }
    }

    fn change(&self, change: impl FnOnce(&mut Sessions)) {
        let mut all = self.sessions.get_untracked();
        change(&mut all);
        storage::write(KEY, &all.write());
        if self.sessions.with_untracked(|now| *now != all) {
            self.sessions.set(all);
        }
    }
}
