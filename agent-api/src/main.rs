//! The agent's process: command line, configuration, log, server.

use std::{process::ExitCode, sync::Arc, time::Duration};

use agent_api::{
    App, app,
    config::{Config, SCHEMA},
};
use service::{
    clock::SystemClock,
    env::Env,
    metrics::Metrics,
    probe,
    serve::{self, Limits, Shutdown},
    telemetry::Telemetry,
    usage::{self, Asked},
};

/// How long open answers may take after a stop was asked for.
const GRACE: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> ExitCode {
    let about = "The chat agent of infra402: works the lease API for customers, who pay in their own wallets.";
    let version = env!("CARGO_PKG_VERSION");
    match usage::asked(&SCHEMA, about, version, std::env::args().skip(1)) {
        Ok(Asked::Serve) => serve().await,
        Ok(Asked::Health) => probe::run(Env::load(), &SCHEMA),
        Ok(Asked::Text(text)) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(text) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> ExitCode {
    let mut env = Env::load().of(&SCHEMA);
    // The provider's client writes answers that it cannot read into the log, and they hold conversations.
    let telemetry = Telemetry::from_env(&mut env).without("async_openai");
    let notices = env.notices();
    let config = match Config::from_env(env) {
        Ok(config) => config,
        Err(problems) => {
            eprintln!("{problems}");
            return ExitCode::FAILURE;
        }
    };
    telemetry.install();
    for notice in notices {
        tracing::warn!("{notice}");
    }
    match run(config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "stopped");
            ExitCode::FAILURE
        }
    }
}

async fn run(config: Config) -> anyhow::Result<()> {
    service::crypto::install_ring_provider();
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
            "NO LANGUAGE MODEL: built-in rules answer; set OPENAI_API_KEY, FLOCKIO_API_KEY or LLM_BASE_URL for one"
        ),
    }
    let limits = Limits::behind(config.trusted_proxies);
    let state = App::start(config, Arc::new(SystemClock))?;
    let app = app(state, Metrics::install()?);
    serve::serve(listener, app, Shutdown::on_signals()?, GRACE, limits).await?;
    Ok(())
}
