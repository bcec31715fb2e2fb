//! The small server: it serves the bundle with its caching headers, the deployment's settings, and the security headers. `config` is
//! read once, `site` is the router, `policy` has the security headers.

mod config;
mod policy;
mod site;
#[cfg(test)]
mod tests;
mod variables;

use std::{process::ExitCode, time::Duration};

use service::{
    env::Env,
    metrics::Metrics,
    probe,
    serve::{self, Limits, Shutdown},
    telemetry::Telemetry,
    usage::{self, Asked},
};

use config::Config;
use variables::SCHEMA;

/// How long open requests may take after a stop was asked for.
const GRACE: Duration = Duration::from_secs(5);

/// The process.
#[tokio::main]
pub(crate) async fn main() -> ExitCode {
    let about =
        "The web interface of infra402: gives the application and its settings to browsers.";
    let version = env!("CARGO_PKG_VERSION");
    match usage::asked(&SCHEMA, about, version, std::env::args().skip(1)) {
        Ok(Asked::Serve) => {}
        Ok(Asked::Health) => return probe::run(Env::load(), &SCHEMA),
        Ok(Asked::Text(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::FAILURE;
        }
    }
    let mut env = Env::load().of(&SCHEMA);
    let telemetry = Telemetry::from_env(&mut env);
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
    let metrics = Metrics::install()?;
    let listener = serve::bind(config.listen, "PORT").await?;
    let app = site::app(&config, &metrics);
    let (shutdown, limits) = (Shutdown::on_signals()?, Limits::default());
    serve::serve(listener, app, shutdown, GRACE, limits).await?;
    Ok(())
}
