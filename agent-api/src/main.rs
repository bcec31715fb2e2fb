//! The agent's process.

use std::{process::ExitCode, sync::Arc, time::Duration};

use agent_api::{
    App, app,
    config::{Config, SCHEMA},
};
use service::{
    About, Service,
    clock::SystemClock,
    metrics::Metrics,
    serve::{self, ServerLimits, Shutdown},
};

/// How long open responses may take after a stop was asked for.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> ExitCode {
    let service = Service {
        schema: &SCHEMA,
        // The provider's client logs responses that it cannot read, and they hold conversations.
        silenced_log_targets: &["async_openai"],
        read_config: Config::from_env,
    };
    let about = About {
        purpose: "The chat agent of infra402: works the lease API for customers, who pay in their \
                  own wallets.",
        version: env!("CARGO_PKG_VERSION"),
    };
    service::main(service, about, serve).await
}

async fn serve(config: Config, metrics: Metrics) -> anyhow::Result<()> {
    let listener = serve::bind(config.listen, "PORT").await?;
    match &config.llm {
        Some(provider) => {
            let (kind, model) = (provider.kind.name(), &provider.model);
            tracing::info!(
                llm.provider = kind,
                llm.model = model,
                "a language model answers"
            );
        }
        None => tracing::warn!(
            "NO LANGUAGE MODEL: built-in rules answer; set OPENAI_API_KEY, FLOCKIO_API_KEY or \
             LLM_BASE_URL for one"
        ),
    }
    let limits = ServerLimits::behind(config.trusted_proxies);
    let app = app(App::start(config, Arc::new(SystemClock))?, metrics);
    serve::serve(
        listener,
        app,
        Shutdown::on_signals()?,
        SHUTDOWN_TIMEOUT,
        limits,
    )
    .await?;
    Ok(())
}
