//! The state that all requests share.

use std::sync::Arc;

use service::clock::Clock;

use crate::{
    config::Config,
    lease_api::LeaseApi,
    limits::ChatLimits,
    llm::{Model, metered::MeteredModel, offline::Offline, openai::OpenAi},
    pending::{Sealer, UsedCalls},
    policy::Spending,
};

/// The shared state; cheap to clone.
#[derive(Clone)]
pub struct App {
    /// The configuration.
    pub config: Arc<Config>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The model that answers.
    pub model: Arc<dyn Model>,
    /// The lease API.
    pub lease_api: LeaseApi,
    /// Seals suspended calls.
    pub sealer: Sealer,
    /// The suspended calls that this process has used.
    pub used: Arc<UsedCalls>,
    /// The spending of wallets through this process.
    pub spending: Arc<Spending>,
    /// Rate and concurrency limits of the chat.
    pub limits: Arc<ChatLimits>,
}

impl App {
    /// The state for a configuration.
    ///
    /// # Errors
    /// An HTTP client cannot be made, or the secret can be neither read nor stored.
    pub fn start(config: Config, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let model: Arc<dyn Model> = match &config.llm {
            Some(provider) => {
                let model = Arc::new(OpenAi::new(provider.clone())?);
                Arc::new(MeteredModel::new(model, config.budget, Arc::clone(&clock)))
            }
            None => Arc::new(Offline),
        };
        Self::with_model(config, clock, model)
    }

    /// The same with another model.
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
                config.backend_timeout,
                config.services_secret.as_ref(),
            )?,
            sealer: Sealer::new(secret.expose()),
            limits: Arc::new(ChatLimits::new(config.limits, Arc::clone(&clock))),
            config: Arc::new(config),
            clock,
            model,
            used: Arc::default(),
            spending: Arc::default(),
        })
    }
}
