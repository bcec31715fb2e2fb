//! The small server: it serves the bundle with its caching headers, the deployment's settings, and
//! the security headers. `config` is read once, `site` is the router, `policy` has the security
//! headers.

mod config;
mod policy;
mod site;
#[cfg(test)]
mod tests;
mod variables;

use std::{process::ExitCode, time::Duration};

use service::{
    About, Service,
    metrics::Metrics,
    serve::{self, ServerLimits, Shutdown},
};

use config::Config;
use variables::SCHEMA;

/// How long open requests may take after a stop was asked for.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// The process.
#[tokio::main]
pub(crate) async fn main() -> ExitCode {
    let service = Service {
        schema: &SCHEMA,
        silenced_log_targets: &[],
        read_config: Config::from_env,
    };
    let about = About {
        purpose: "The web interface of infra402: gives the application and its settings to browsers.",
        version: env!("CARGO_PKG_VERSION"),
    };
    service::main(service, about, serve).await
}

async fn serve(config: Config, metrics: Metrics) -> anyhow::Result<()> {
    let listener = serve::bind(config.listen, "PORT").await?;
    let app = site::app(&config, &metrics);
    let (shutdown, limits) = (Shutdown::on_signals()?, ServerLimits::default());
    serve::serve(listener, app, shutdown, SHUTDOWN_TIMEOUT, limits).await?;
    Ok(())
}
