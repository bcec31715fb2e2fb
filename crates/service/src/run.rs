//! The life of a service's process, the same for every service: command line, configuration, log,
//! TLS provider, metrics, serving, exit code.

use std::process::ExitCode;

use crate::command_line::{self, About, ServiceCommand};
use crate::env::schema::Schema;
use crate::env::{Env, Problems};
use crate::metrics::Metrics;
use crate::telemetry::Telemetry;
use crate::{crypto, probe};

/// A service as its `main` describes it.
#[derive(Debug, Clone, Copy)]
pub struct Service<C> {
    /// The schema of its environment variables.
    pub schema: &'static Schema,
    /// Log targets that are never written, because their lines may hold secrets or conversations.
    pub silenced_log_targets: &'static [&'static str],
    /// Reads its configuration.
    pub read_config: fn(Env) -> Result<C, Problems>,
}

/// The `main` of a service without commands of its own. It reads the command line and runs the
/// command. `serve` is as for [`run`].
pub async fn main<C, F>(
    service: Service<C>,
    about: About,
    serve: impl FnOnce(C, Metrics) -> F,
) -> ExitCode
where
    F: Future<Output = anyhow::Result<()>>,
{
    match command_line::parse(service.schema, about, std::env::args_os()) {
        Ok(None) => run(service, serve).await,
        Ok(Some(ServiceCommand::Health)) => probe::run(Env::load(), service.schema),
        Err(refused) => {
            // A closed pipe does not change the exit code.
            let _ = refused.print();
            u8::try_from(refused.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
        }
    }
}

/// Reads the configuration, starts the log, installs the TLS provider and the metrics recorder, and
/// runs `serve` until it ends. All problems of the configuration are printed at once; an error of
/// `serve` is logged.
pub async fn run<C, F>(service: Service<C>, serve: impl FnOnce(C, Metrics) -> F) -> ExitCode
where
    F: Future<Output = anyhow::Result<()>>,
{
    let mut env = Env::load().for_schema(service.schema);
    let telemetry = service
        .silenced_log_targets
        .iter()
        .fold(Telemetry::from_env(&mut env), |telemetry, target| {
            telemetry.without(target)
        });
    let notices = env.notices();
    let config = match (service.read_config)(env) {
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
    crypto::install_ring_provider();
    let served = match Metrics::install() {
        Ok(metrics) => serve(config, metrics).await,
        Err(error) => Err(error.into()),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the service stopped");
            ExitCode::FAILURE
        }
    }
}
