//! What everything in the process shares.

use std::sync::Arc;

use service::clock::Clock;

use crate::{
    config::Config,
    lease_api::LeaseApi,
    limits::Limits,
    llm::{Model, metered::Metered, offline::Offline, openai::OpenAi},
    pending::{Sealer, Used},
    policy::Spending,
};

/// The shared state; cheap to clone.
#[derive(Clone)]
pub struct App {
    /// What the process was told.
    pub config: Arc<Config>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who answers.
    pub model: Arc<dyn Model>,
    /// The lease API.
    pub lease_api: LeaseApi,
    /// Seals suspended calls.
    pub sealer: Sealer,
    /// The suspended calls that were used here.
    pub used: Arc<Used>,
    /// What wallets have paid through here.
    pub spending: Arc<Spending>,
    /// How much of the chat callers have.
    pub limits: Arc<Limits>,
}

impl App {
    /// The state for a configuration.
    ///
    /// # Errors
    /// An HTTP client cannot be made, or the secret can be neither read nor kept.
    pub fn start(config: Config, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let model: Arc<dyn Model> = match &config.llm {
            Some(provider) => {
                let model = Arc::new(OpenAi::new(provider.clone())?);
                Arc::new(Metered::new(model, config.budget, Arc::clone(&clock)))
            }
            None => Arc::new(Offline),
        };
        Self::with_model(config, clock, model)
    }

    /// The same with somebody else to answer.
    ///
    /// # Errors
    /// As for [`App::start`].
    pub fn with_model(
        config: Config,
        clock: Arc<dyn Clock>,
        model: Arc<dyn Model>,
    ) -> anyhow::Result<Self> {
        let secret = config.secret.obtain()?;
        Ok(Self {
            lease_api: LeaseApi::new(
                &config.backend,
                config.backend_patience,
                config.services_secret.as_ref(),
            )?,
            sealer: Sealer::new(secret.expose()),
            limits: Arc::new(Limits::new(config.limits, Arc::clone(&clock))),
            config: Arc::new(config),
            clock,
            model,
            used: Arc::default(),
            spending: Arc::default(),
        })
    }
}
