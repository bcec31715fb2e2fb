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
    serve::{self, Limits, Shutdown},
};
use tokio::task::JoinSet;

/// How long open requests may take after a stop was asked for.
const GRACE: Duration = Duration::from_secs(20);

const SERVICE: Service<Config> = Service {
    schema: &SCHEMA,
    silenced_log_targets: &[proxmox_api::TALKATIVE, proxmox_api::VALUES],
    read_config: Config::from_env,
};

/// Runs the command that the command line names.
#[tokio::main]
pub async fn main() -> ExitCode {
    let command = match Command::read(std::env::args().skip(1)) {
        Ok(command) => command,
        Err(argument) => {
            eprintln!("{argument:?} is not known here; see proxmox-api --help");
            return ExitCode::FAILURE;
        }
    };
    match command {
        Command::Help => {
            print!("{}", arguments::help(&SCHEMA));
            ExitCode::SUCCESS
        }
        Command::Version => {
            println!("proxmox-api {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Command::Doctor(options) => {
            service::crypto::install_ring_provider();
            let env = Env::load().of(&SCHEMA);
            doctor::command::run(&env, Arc::new(SystemClock), options).await
        }
        Command::Wrong(what) => {
            eprintln!("{what}; see proxmox-api --help");
            ExitCode::FAILURE
        }
        Command::Payments(asked) => {
            let perform = |database: Database| async move {
                commands::payments::perform(&database, Arc::new(SystemClock), asked).await
            };
            on_database(perform).await
        }
        Command::Leases(asked) => {
            let perform = |database: Database| async move {
                commands::leases::perform(&database, Arc::new(SystemClock), asked).await
            };
            on_database(perform).await
        }
        Command::Backup(asked) => {
            let perform = |database: Database| async move {
                commands::backup::perform(&database, asked).await
            };
            on_database(perform).await
        }
        Command::Store(asked) if asked.needs_configured() => {
            let perform = |database: Database| async move {
                commands::store::perform(Some(&database), asked).await
            };
            on_database(perform).await
        }
        Command::Store(asked) => {
            service::crypto::install_ring_provider();
            commands::print(commands::store::perform(None, asked).await)
        }
        Command::Health => probe::run(Env::load(), &SCHEMA),
        Command::Serve => service::run(SERVICE, serve).await,
    }
}

/// Runs a command of the operator's on the configured database.
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
    let _hold = proxmox_api::state::hold_database(&config.database)?;
    let state = App::start(config, proxmox_api::clock()).await?;
    let _workers = start_work(&state).await?;
    // Beside serving: what cannot be reached now may come back. It ends with the set, if it has not
    // ended by itself.
    let mut examination = JoinSet::new();
    examination.spawn(examine(state.clone()));
    let app = app(state.clone(), metrics);
    let (shutdown, limits) = (
        Shutdown::on_signals()?,
        Limits::behind(state.config.trusted_proxies),
    );
    serve::serve(listener, app, shutdown, GRACE, limits).await?;
    state.consoles.close_all().await;
    Ok(())
}
