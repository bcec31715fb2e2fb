//! The lease API's process: command line, configuration, log, workers, server.

use std::{process::ExitCode, sync::Arc, time::Duration};

use proxmox_api::store::Database;
use proxmox_api::{
    App, app,
    arguments::{self, Command},
    commands,
    config::{Config, SCHEMA, read_database},
    doctor, examine, start_work,
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
    serve::serve(listener, app, shutdown, STOP_TIMEOUT, limits).await?;
    proxmox_api::replicas::withdraw(&state).await;
    state.consoles.close_all().await;
    Ok(())
}
