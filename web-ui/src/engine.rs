//! Everything that is not a view, joined into one context: settings, services, wallet, session and
//! payments.

use api_types::{Secret, SessionChallengeRequest, SessionRequest};
use leptos::prelude::*;
use x402::network::Network;

use crate::{
    api::{AgentApi, LeaseApi},
    config::Settings,
    http::RequestError,
    pay::Pay,
    session::WalletSession,
    wallet::{Wallet, WalletError, WalletWait},
};

/// Why signing in failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SignInError {
    /// The wallet did not sign.
    #[error(transparent)]
    Wallet(#[from] WalletError),
    /// The service did not accept the signature, or could not be asked.
    #[error(transparent)]
    Service(#[from] RequestError),
}

/// Everything that is not a view.
#[derive(Clone, Copy, Debug)]
pub struct Engine {
    /// The deployment's settings.
    pub settings: StoredValue<Settings>,
    /// The lease API's free routes.
    pub lease: LeaseApi,
    /// The agent.
    pub agent: AgentApi,
    /// The connected account's session.
    pub session: WalletSession,
    /// The customer's wallet.
    pub wallet: Wallet,
    /// Payments.
    pub pay: Pay,
}

impl Engine {
    /// Starts everything for a deployment.
    pub fn start(settings: Settings) -> Self {
        let wallet = Wallet::start(&settings);
        let session = WalletSession::load(wallet);
        let lease = LeaseApi::new(settings.lease_api_base.clone(), session);
        let agent = AgentApi::new(settings.chat_api_base.clone());
        let pay = Pay::start_up(lease, agent, session, wallet);
        Self {
            settings: StoredValue::new(settings),
            lease,
            agent,
            session,
            wallet,
            pay,
        }
    }

    /// Signs the connected account in, for the free reads.
    ///
    /// # Errors
    /// The wallet did not sign in time, or the service did not accept the signature.
    pub async fn sign_in(&self, wait: &WalletWait) -> Result<(), SignInError> {
        let account = self.wallet.account().get_untracked();
        let account = account.ok_or(WalletError::NoWallet)?;
        let network = self.wallet.network().get_untracked();
        let chain_id = account.chain_id.or(network.map(|network| network.chain_id));
        let request = SessionChallengeRequest {
            address: account.address.clone(),
            chain_id,
        };
        let challenge = self.lease.challenge(&request).await?;
        let ask = || self.wallet.sign_text(&account.address, &challenge.message);
        let signature = wait.first_answer(ask).await?;
        let request = SessionRequest {
            message: challenge.message,
            signature: Secret::new(signature),
        };
        self.session.store(self.lease.sign_in(&request).await?);
        Ok(())
    }

    /// The catalog. What it says of the network and of simulated parts is passed on to the wallet.
    ///
    /// # Errors
    /// The request failed.
    pub async fn catalog(&self) -> Result<api_types::Catalog, RequestError> {
        let catalog = self.lease.catalog().await?;
        let simulated = catalog.simulated.iter().any(|part| part == "payments");
        self.wallet
            .set_network(Network::by_name(&catalog.network), simulated);
        Ok(catalog)
    }

    /// Fills up the connected account with demo money, where payments are simulated.
    ///
    /// # Errors
    /// The request failed. Without a connected account nothing is asked.
    pub async fn faucet(&self) -> Result<(), RequestError> {
        let Some(account) = self.wallet.account().get_untracked() else {
            return Ok(());
        };
        let filled = self.lease.faucet(&account.address).await?;
        self.wallet.set_balance(filled.balance);
        Ok(())
    }
}

/// The engine, which `mount` provides as a context.
pub fn use_engine() -> Engine {
    expect_context()
}
