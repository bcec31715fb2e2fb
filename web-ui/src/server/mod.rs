//! The small server: the bundle with the right caching, the deployment's settings, and the headers that tell the browser what the
//! page may do. `config` is read once; `site` is the router; `policy` are the headers.

mod config;
mod policy;
mod site;
#[cfg(test)]
mod tests;

use std::{process::ExitCode, time::Duration};

use service::{
    env::Env,
    metrics::Metrics,
    serve::{self, Shutdown},
    telemetry::Telemetry,
};

use config::Config;

/// How long open requests may take after a stop was asked for.
const GRACE: Duration = Duration::from_secs(5);

/// The process.
#[tokio::main]
pub(crate) async fn main() -> ExitCode {
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
    let metrics = Metrics::install()?;
    let listener = serve::bind(config.listen, "PORT").await?;
    let app = site::app(&config, &metrics);
    serve::serve(listener, app, Shutdown::on_signals()?, GRACE).await?;
    Ok(())
}
