//! Everything that is not a view, joined into one context: settings, services, wallet, session, payments. [`mount`] builds it and
//! puts the application into the page.

pub mod clock;
mod device;
pub mod storage;

use std::{future::Future, pin::Pin};

use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;
use x402::network::Network;

use crate::{
    api::{AgentApi, ApiError, LeaseApi},
    app::{self, App},
    config::{self, Settings},
    pay::{DRIVER, Pay},
    session::{Session, SignInError},
    state::chat::{Chat, TALK},
    wallet::{Burner, PURSE, Patience, Wallet},
};

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
    pub session: Session,
    /// The customer's wallet.
    pub wallet: Wallet,
    /// Payments.
    pub pay: Pay,
}

impl Engine {
    /// Builds it for a deployment.
    pub fn start(settings: Settings) -> Self {
        let wallet = Wallet::start(&settings);
        let session = Session::load(wallet);
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
    /// The wallet did not sign or was not waited for any longer, or the service did not take it.
    pub async fn sign_in(&self, patience: &Patience) -> Result<(), SignInError> {
        self.session.sign_in(self.lease, patience).await
    }

    /// The catalog; what it says of the network and of simulated parts is passed on to the wallet.
    ///
    /// # Errors
    /// The service's.
    pub async fn catalog(&self) -> Result<api_types::Catalog, ApiError> {
        let catalog = self.lease.catalog().await?;
        let simulated = catalog.simulated.iter().any(|part| part == "payments");
        self.wallet
            .paid_on(Network::by_name(&catalog.network), simulated);
        Ok(catalog)
    }

    /// Play money for the connected account, where payments are simulated.
    ///
    /// # Errors
    /// The service's, or no account is connected.
    pub async fn faucet(&self) -> Result<(), ApiError> {
        let Some(account) = self.wallet.account().get_untracked() else {
            return Ok(());
        };
        let filled = self.lease.faucet(&account.address).await?;
        self.wallet.set_balance(filled.balance);
        Ok(())
    }
}

/// The context that [`mount`] has provided.
pub fn use_engine() -> Engine {
    expect_context()
}

/// Puts the application into the page, in place of what the page shows while it loads.
pub fn mount() {
    console_error_panic_hook::set_once();
    // Leptos brings its own executor only with the first view.
    spawn_local(async {
        let needed = needed();
        let settings = config::load().await;
        for part in needed {
            part.await;
        }
        if let Some(loading) = document().get_element_by_id("loading") {
            loading.remove();
        }
        leptos::mount::mount_to_body(move || {
            let engine = Engine::start(settings.clone());
            provide_context(engine);
            view! { <App/> }
        });
        app::load_the_rest().await;
    });
}

/// What a first visit does without, and those cannot who come back: what they have left in this browser is read by it.
fn needed() -> Vec<Pin<Box<dyn Future<Output = ()>>>> {
    let mut needed: Vec<Pin<Box<dyn Future<Output = ()>>>> = Vec::new();
    let interrupted = Pay::is_interrupted();
    if interrupted {
        DRIVER.prefetch();
        needed.push(Box::pin(DRIVER.until_here()));
    }
    if interrupted || Chat::is_kept() {
        TALK.prefetch();
        needed.push(Box::pin(TALK.until_here()));
    }
    if Burner::is_kept() {
        PURSE.prefetch();
        needed.push(Box::pin(PURSE.until_here()));
    }
    needed
}
