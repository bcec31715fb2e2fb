//! The lease API's process: configuration, log, workers, server.

use std::{process::ExitCode, sync::Arc, time::Duration};

use proxmox_api::{App, app, config::Config, start_work};
use service::{
    clock::SystemClock,
    env::Env,
    metrics::Metrics,
    serve::{self, Shutdown},
    telemetry::Telemetry,
};

/// How long open requests may take after a stop was asked for.
const GRACE: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> ExitCode {
    let mut env = Env::load();
    let telemetry = Telemetry::from_env(&mut env);
    let config = match Config::from_env(env) {
        Ok(config) => config,
        Err(problems) => {
            eprintln!("{problems}");
            return ExitCode::FAILURE;
        }
    };
    telemetry.install();
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
    let metrics = Metrics::install()?;
    let listener = serve::bind(config.listen, "PORT").await?;
    let state = App::start(config, Arc::new(SystemClock)).await?;
    let _workers = start_work(&state).await?;
    let app = app(state, metrics);
    serve::serve(listener, app, Shutdown::on_signals()?, GRACE).await?;
    Ok(())
}
