//! The command line: every command, its options and their help.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::values::{Access, ContainerSize, EnvVariable, Mebibytes, RemoteSignal};

/// The exit statuses, as `--help` and docs/CLI.md list them.
pub const EXIT_STATUSES: &str = "\
Exit status:
  0  done
  1  failed
  2  wrong use of this program
  3  no such container, file or command
  4  the payment was refused, declined or too expensive
  5  not enough money in the wallet
  6  the service cannot be reached
  7  paid for or perhaps paid for, and no answer yet: the same command asks for it again
  exec and ssh end with the status of the command that they ran.";

/// Leases Linux containers and works in them; paid in USDC over HTTP 402
#[derive(Debug, Parser)]
#[command(name = "infra402", version, after_help = EXIT_STATUSES, max_term_width = 100)]
pub struct CommandLine {
    /// What every command takes.
    #[command(flatten)]
    pub global: GlobalArguments,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of all commands")]
pub struct GlobalArguments {
    /// The lease API
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "INFRA402_API",
        default_value = "http://127.0.0.1:4021",
        hide_env_values = true
    )]
    pub api: String,
    /// The file with the wallet's private key, readable by its owner only; INFRA402_KEY holds the
    /// key itself
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "INFRA402_KEY_FILE",
        hide_env_values = true
    )]
    pub key_file: Option<PathBuf>,
    /// The most that one payment may be, in dollars
    #[arg(
        long,
        global = true,
        value_name = "USD",
        env = "INFRA402_MAX_PRICE",
        default_value = "1.00",
        value_parser = crate::values::dollars,
        hide_env_values = true
    )]
    pub max_price: api_types::Usdc,
    /// Ask before a payment above this, in dollars, where there is a terminal to ask on
    #[arg(
        long,
        global = true,
        value_name = "USD",
        env = "INFRA402_ASK_ABOVE",
        default_value = "0.002",
        value_parser = crate::values::dollars,
        hide_env_values = true
    )]
    pub ask_above: api_types::Usdc,
    /// A network to pay on; may be given several times
    #[arg(
        long,
        global = true,
        value_name = "NETWORK",
        env = "INFRA402_NETWORK",
        default_values = ["base", "base-sepolia"],
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub network: Vec<String>,
    /// Do not ask: pay up to --max-price, and destroy what is named
    #[arg(long, short = 'y', global = true)]
    pub yes: bool,
    /// Buy anew, even if an earlier purchase by the same command has no answer yet
    #[arg(long, global = true)]
    pub fresh: bool,
    /// Print one JSON document; errors are JSON on standard error
    #[arg(long, global = true)]
    pub json: bool,
    /// Print no progress
    #[arg(long, short = 'q', global = true)]
    pub quiet: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say what a lease would cost
    Quote(LeaseArguments),
    /// Lease a container
    Lease {
        /// What is leased.
        #[command(flatten)]
        wanted: LeaseArguments,
        /// Open a shell in it: over SSH, or by its console where it has no SSH
        #[arg(long, conflicts_with = "json")]
        ssh: bool,
    },
    /// List your containers
    Ls {
        /// Those that are over, too
        #[arg(long, short)]
        all: bool,
    },
    /// Run a command in a container
    ///
    /// Its output is printed as it comes, and its exit status is that of this program. A single
    /// COMMAND is read by the container's shell; further words are passed to it as they are.
    Exec(ExecArguments),
    /// Look at commands that run in the background, and end them
    Commands {
        /// What is done.
        #[command(subcommand)]
        action: CommandsAction,
    },
    /// Print the output of a command in the background
    Logs(LogsArguments),
    /// Copy files and directories into a container or out of it
    ///
    /// One of SOURCE and TARGET is CONTAINER:/absolute/path, the other a local path, or `-` for
    /// standard input or output. Directories are copied whole; into a directory that exists, under
    /// their own name.
    Cp(CopyArguments),
    /// Show, publish and close ports of a container
    Ports {
        /// What is done.
        #[command(subcommand)]
        action: PortsAction,
    },
    /// Open a shell over SSH, or run a command by it, with the system's ssh
    Ssh(SshArguments),
    /// Open a container's console on this terminal: a shell that needs no SSH; costs a call
    Console {
        /// Its name, number or lease id
        container: String,
    },
    /// Connect standard input and output with a container's SSH server, as ssh's ProxyCommand
    Proxy {
        /// Its name, number or lease id
        container: String,
    },
    /// Add minutes to a lease
    Renew {
        /// Its name, number or lease id
        container: String,
        /// How many
        #[arg(long, short, default_value_t = 60)]
        minutes: u32,
    },
    /// Stop a container; its paid time goes on
    Stop {
        /// Its name, number or lease id
        container: String,
    },
    /// Start a container that was stopped
    Start {
        /// Its name, number or lease id
        container: String,
    },
    /// Destroy containers, their data included
    Rm {
        /// Their names, numbers or lease ids
        #[arg(required = true)]
        containers: Vec<String>,
    },
    /// List what the wallet has paid
    Payments {
        /// The most that are listed
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
    },
    /// Show the wallet, make one, or fill it with play money
    Wallet {
        /// What is done; shows the wallet where absent.
        #[command(subcommand)]
        action: Option<WalletAction>,
    },
    /// Send any request to the API, and pay where it asks for it
    Call {
        /// GET, POST, PUT, PATCH or DELETE
        method: String,
        /// The path, with its query
        path: String,
        /// The body, as JSON
        body: Option<String>,
    },
    /// Print a script that completes this command line in a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// What is leased.
#[derive(Debug, Args)]
pub struct LeaseArguments {
    /// Its name, a DNS label
    pub name: Option<String>,
    /// The time that is paid for
    #[arg(long, short, default_value_t = 60)]
    pub minutes: u32,
    /// Cores, memory and disk at once, such as 2/1G/16G
    #[arg(long, value_name = "CORES/MEMORY/DISK", conflicts_with_all = ["cores", "memory", "disk"])]
    pub size: Option<ContainerSize>,
    /// Number of cores [default: 1]
    #[arg(long)]
    pub cores: Option<u32>,
    /// Memory, in MiB or with a unit, such as 512M or 2G [default: 512M]
    #[arg(long)]
    pub memory: Option<Mebibytes>,
    /// Disk, in GiB [default: 8]
    #[arg(long)]
    pub disk: Option<u32>,
    /// The template to make it from; the service's default where absent
    #[arg(long, short)]
    pub template: Option<String>,
    /// A file with an SSH public key for root; the service makes a password where absent
    #[arg(long, value_name = "FILE")]
    pub ssh_key: Option<PathBuf>,
}

/// A command in a container.
#[derive(Debug, Args)]
pub struct ExecArguments {
    /// The container's name, number or lease id
    pub container: String,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<String>,
    /// Pass standard input on, up to its end and 180 KiB
    #[arg(long, short = 'i')]
    pub stdin: bool,
    /// Leave it running in the container and print its id
    #[arg(
        long,
        short = 'd',
        visible_alias = "detach",
        conflicts_with = "timeout"
    )]
    pub background: bool,
    /// The seconds that it may take, at most 300
    #[arg(long, short, value_name = "SECONDS")]
    pub timeout: Option<u32>,
    /// A variable of its environment; may be given several times
    #[arg(long, short, value_name = "NAME=VALUE")]
    pub env: Vec<EnvVariable>,
    /// The folder to run it in
    #[arg(long, short = 'w', value_name = "FOLDER")]
    pub cwd: Option<String>,
    /// The user to run it as, root where absent
    #[arg(long, short)]
    pub user: Option<String>,
    /// End what was left running in the container's terminal, where the container has no SSH
    #[arg(long)]
    pub force: bool,
}

/// Commands in the background.
#[derive(Debug, Subcommand)]
pub enum CommandsAction {
    /// List them, the youngest first
    Ls {
        /// The container's name, number or lease id
        container: String,
    },
    /// Print the output of one
    Logs(LogsArguments),
    /// Send a signal to one and its processes
    Kill {
        /// The container's name, number or lease id
        container: String,
        /// The command's id
        id: String,
        /// The signal
        #[arg(long, short, value_enum, default_value_t = RemoteSignal::Term)]
        signal: RemoteSignal,
    },
}

/// The output of a command in the background.
#[derive(Debug, Args)]
pub struct LogsArguments {
    /// The container's name, number or lease id
    pub container: String,
    /// The command's id; the youngest command where absent
    pub id: Option<String>,
    /// Go on with new output until the command ends
    #[arg(long, short)]
    pub follow: bool,
}

/// A copy.
#[derive(Debug, Args)]
pub struct CopyArguments {
    /// What is copied
    pub source: String,
    /// Where to
    pub target: String,
    /// Compare the SHA-256 of what came out of a container with what the container has, by a paid
    /// command; what goes in is always compared, for nothing
    #[arg(long)]
    pub check: bool,
}

/// Ports.
#[derive(Debug, Subcommand)]
pub enum PortsAction {
    /// List the published ones
    Ls {
        /// The container's name, number or lease id
        container: String,
    },
    /// Publish one, or change who may open it
    Open {
        /// The container's name, number or lease id
        container: String,
        /// The port in the container
        #[arg(value_parser = clap::value_parser!(u16).range(1..))]
        port: u16,
        /// Who may open it: you, who has the link, or everybody
        #[arg(long, short, value_enum, default_value_t = Access::Owner)]
        access: Access,
    },
    /// Print an address for a browser that opens one for you, once
    Visit {
        /// The container's name, number or lease id
        container: String,
        /// The port in the container
        #[arg(value_parser = clap::value_parser!(u16).range(1..))]
        port: u16,
    },
    /// Close one
    Close {
        /// The container's name, number or lease id
        container: String,
        /// The port in the container
        #[arg(value_parser = clap::value_parser!(u16).range(1..))]
        port: u16,
    },
}

/// A shell over SSH.
#[derive(Debug, Args)]
pub struct SshArguments {
    /// The container's name, number or lease id
    pub container: String,
    /// Options and a command for ssh
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<String>,
    /// The user to log in as
    #[arg(long, short = 'l', default_value = "root")]
    pub login: String,
    /// Print a block for ~/.ssh/config with which ssh, scp, rsync and editors reach the container
    #[arg(long, conflicts_with = "arguments")]
    pub config: bool,
}

/// The wallet.
#[derive(Debug, Clone, Subcommand)]
pub enum WalletAction {
    /// Show its address, and its balance where that is play money
    Show,
    /// Make a key, into --key-file or the usual place
    New,
    /// Fill it with play money, where the service simulates payments
    Fill,
}

/// The shells that completions are printed for, for the documents.
pub fn shells() -> impl Iterator<Item = String> {
    let named = |shell: &Shell| Some(shell.to_possible_value()?.get_name().to_owned());
    Shell::value_variants().iter().filter_map(named)
}
