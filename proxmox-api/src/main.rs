//! The lease API's process: command line, configuration, log, workers, server.

use std::{process::ExitCode, sync::Arc, time::Duration};

use proxmox_api::store::Database;
use proxmox_api::{
    App, app,
    arguments::{self, Command},
    commands,
    config::{Config, SCHEMA, read_database},
    doctor, examine, ingress, jump, start_work,
};
use service::{
    Service,
    clock::SystemClock,
    env::Env,
    metrics::Metrics,
    probe,
    serve::{self, ServerLimits, Shutdown},
};
use tokio::task::JoinSet;

/// How long open requests may take once the service was told to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

const SERVICE: Service<Config> = Service {
    schema: &SCHEMA,
    silenced_log_targets: &[
        proxmox_api::NOISY_LOG_TARGET,
        proxmox_api::SQL_VALUES_LOG_TARGET,
    ],
    read_config: Config::from_env,
};

/// Runs the command that the command line names.
#[tokio::main]
pub async fn main() -> ExitCode {
    let command = match arguments::read(std::env::args_os()) {
        Ok(Some(command)) => command,
        Ok(None) => return service::run(SERVICE, serve).await,
        Err(message) => return message.print(),
    };
    match command {
        Command::Doctor(options) => {
            service::crypto::install_ring_provider();
            let env = Env::load().for_schema(&SCHEMA);
            doctor::command::run(&env, Arc::new(SystemClock), options).await
        }
        Command::Payments(command) => {
            let perform = |database: Database| async move {
                commands::payments::perform(&database, Arc::new(SystemClock), command).await
            };
            on_database(perform).await
        }
        Command::Leases(command) => {
            let perform = |database: Database| async move {
                commands::leases::perform(&database, Arc::new(SystemClock), command).await
            };
            on_database(perform).await
        }
        Command::Names(command) => {
            let perform = |database: Database| async move {
                commands::names::perform(&database, Arc::new(SystemClock), command).await
            };
            on_database(perform).await
        }
        Command::Backup(command) => {
            let perform = |database: Database| async move {
                commands::backup::perform(&database, command).await
            };
            on_database(perform).await
        }
        Command::InstallationKey(command) => {
            let perform = |database: Database| async move {
                commands::installation_key::perform(&database, command).await
            };
            on_database(perform).await
        }
        Command::Store(command) if command.needs_configured() => {
            let perform = |database: Database| async move {
                commands::store::perform(Some(&database), command).await
            };
            on_database(perform).await
        }
        Command::Store(command) => {
            service::crypto::install_ring_provider();
            commands::print(commands::store::perform(None, command).await)
        }
        Command::Health => probe::run(Env::load(), &SCHEMA),
    }
}

/// Runs an operator's command on the configured database.
async fn on_database<F>(perform: impl FnOnce(Database) -> F) -> ExitCode
where
    F: Future<Output = Result<String, String>>,
{
    match read_database(Env::load()) {
        Ok(database) => {
            service::crypto::install_ring_provider();
            commands::print(perform(database).await)
        }
        Err(problems) => {
            eprintln!("{problems}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: Config, metrics: Metrics) -> anyhow::Result<()> {
    let listener = serve::bind(config.listen, "PORT").await?;
    let _file_lock = proxmox_api::state::lock_database(&config.database)?;
    let state = App::start(config, proxmox_api::clock()).await?;
    let _workers = start_work(&state).await?;
    // In a task of its own, because a host that cannot be reached may take long. Dropping the set
    // ends it.
    let mut examination = JoinSet::new();
    examination.spawn(examine(state.clone()));
    let app = app(state.clone(), metrics);
    let (shutdown, limits) = (
        Shutdown::on_signals()?,
        ServerLimits::behind(state.config.trusted_proxies),
    );
    let mut beside = JoinSet::new();
    serve_visitors(&mut beside, &state, &shutdown).await?;
    serve::serve(listener, app, shutdown, STOP_TIMEOUT, limits).await?;
    proxmox_api::replicas::withdraw(&state).await;
    while beside.join_next().await.is_some() {}
    state.consoles.close_all().await;
    Ok(())
}

/// Listens for the visitors of containers, as far as the configuration says so.
async fn serve_visitors(
    beside: &mut JoinSet<()>,
    state: &App,
    shutdown: &Shutdown,
) -> anyhow::Result<()> {
    if let Some(config) = state.config.ingress.clone() {
        let listener = serve::bind(config.listen, "INGRESS_PORT").await?;
        let router = ingress::router(state, config.domain);
        let (shutdown, limits) = (shutdown.clone(), ingress::limits(state));
        beside.spawn(async move {
            let served = serve::serve(listener, router, shutdown, STOP_TIMEOUT, limits).await;
            if let Err(error) = served {
                tracing::error!(%error, "the listener for published ports failed");
            }
        });
    }
    if let Some(config) = &state.config.jump_host {
        let listener = serve::bind(config.listen, "SSH_PORT").await?;
        let (host, shutdown) = (jump::jump_host(state, config), shutdown.clone());
        beside.spawn(async move {
            jump_host::serve(listener, host, shutdown.requested()).await;
        });
    }
    Ok(())
}
