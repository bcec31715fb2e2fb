//! The configuration, read once at start. All mistakes are reported together, each with the
//! variable's name and an example.

mod console;
mod credit;
mod guest;
mod ingress;
mod network;
mod offer;
mod payments;
mod proxmox;
mod tenants;
#[cfg(test)]
mod tests;
mod variables;

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;

use api_types::{Limits, Tariff};
use service::env::{Env, Problems, Secret};
use url::Url;

pub use console::ConsoleConfig;
pub use credit::CreditConfig;
pub use guest::GuestConfig;
pub use ingress::{GuestDomain, IngressConfig, JumpHostConfig};
pub use network::{FencePolicy, NetworkConfig};
pub use payments::{FacilitatorChoice, PaymentConfig};
pub use proxmox::{ConsoleAccount, ProxmoxConfig, TlsTrust};
pub use tenants::TenantConfig;
pub use variables::SCHEMA;

use crate::store::Database;

/// The configuration of the process.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen: `BIND` and `PORT`.
    pub listen: SocketAddr,
    /// Under which address customers reach this service, without a trailing slash:
    /// `PUBLIC_BASE_URL`.
    pub public_base_url: String,
    /// Browser pages that may call the API: `ALLOWED_ORIGINS`.
    pub allowed_origins: Vec<String>,
    /// Where the store is: `DATABASE`.
    pub database: Database,
    /// How long the data of an expired lease is kept at most, in seconds: `LEASE_GRACE_MINUTES`.
    pub grace_seconds: u32,
    /// Seconds after a payment's window for which the container is kept that waits for its outcome:
    /// `HELD_HOURS`.
    pub held_seconds: u32,
    /// Seconds for which an orphan is kept: `ORPHAN_KEEP_HOURS`.
    pub orphan_keep_seconds: i64,
    /// Leases of one wallet that may be provisioned at a time: `LEASES_IN_FLIGHT_PER_WALLET`.
    pub leases_in_flight: u32,
    /// Leases requested from one address that may be provisioned at a time:
    /// `LEASES_IN_FLIGHT_PER_ADDRESS`.
    pub leases_in_flight_per_address: u32,
    /// Unpaid leases of all wallets at a time, in all replicas together: `MAX_UNPAID_LEASES`.
    pub max_unpaid_leases: u32,
    /// Payments from one address that may fail in a minute: `FAILED_PAYMENTS_PER_MINUTE`.
    pub failed_payments_per_minute: NonZeroU32,
    /// Requests to the free routes that one address may make in a minute: `FREE_CALLS_PER_MINUTE`.
    pub free_calls_per_minute: NonZeroU32,
    /// The operator's proxies in front of the service, each of which adds to `X-Forwarded-For`:
    /// `TRUSTED_PROXIES`.
    pub trusted_proxies: usize,
    /// The secret by which agent-api proves itself when it passes its callers' addresses on:
    /// `SERVICES_SECRET`.
    pub services_secret: Option<Secret>,
    /// Where other replicas reach this one: `REPLICA_ADDRESS`.
    pub replica_address: Option<Url>,
    /// The key from which passwords, tickets and SSH keys are derived, kept out of the database:
    /// `INSTALLATION_KEY`.
    pub installation_key: Option<Secret>,
    /// Whether the Proxmox host is the simulator, which customers are told: `PVE_SIMULATED`.
    pub simulated_proxmox: bool,
    /// The operator's rates.
    pub tariff: Tariff,
    /// The limits of what a customer may request.
    pub limits: Limits,
    /// The payee, the network and the facilitator.
    pub payments: PaymentConfig,
    /// What customers may pay in ahead; `None` where credit is off.
    pub credit: Option<CreditConfig>,
    /// The Proxmox host.
    pub proxmox: ProxmoxConfig,
    /// What tenants may do, and which wallets may be tenants.
    pub tenants: TenantConfig,
    /// Limits of an open console.
    pub console: ConsoleConfig,
    /// The way into containers by SSH.
    pub guest: GuestConfig,
    /// The names of containers on the web, and their listener.
    pub ingress: Option<IngressConfig>,
    /// The jump host for customers' SSH.
    pub jump_host: Option<JumpHostConfig>,
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    /// Every problem, with the variable's name and an example.
    pub fn from_env(env: Env) -> Result<Self, Problems> {
        let mut env = env.for_schema(&SCHEMA);
        let bind: IpAddr = env.read(&variables::BIND);
        let port: u16 = env.read(&variables::PORT);
        let public_base_url = public_base_url(&mut env, bind, port);
        let allowed_origins = allowed_origins(&mut env);
        let database = database(&mut env);
        let grace_seconds = grace_seconds(&mut env);
        let held_hours: u32 = env.read_in(&variables::HELD_HOURS, 0..=720);
        let orphan_keep_hours: u32 = env.read_in(&variables::ORPHAN_KEEP_HOURS, 0..=8760);
        let leases_in_flight = env.read_in(&variables::LEASES_IN_FLIGHT_PER_WALLET, 1..=100);
        let in_flight_per_address =
            env.read_in(&variables::LEASES_IN_FLIGHT_PER_ADDRESS, 1..=10_000);
        let max_unpaid_leases = env.read_in(&variables::MAX_UNPAID_LEASES, 1..=10_000);
        let failures = env.read_in(&variables::FAILED_PAYMENTS_PER_MINUTE, 1..=1_000_000);
        let free_calls = env.read_in(&variables::FREE_CALLS_PER_MINUTE, 1..=1_000_000);
        let trusted_proxies = env.read_in(&variables::TRUSTED_PROXIES, 0..=8);
        let services_secret = services_secret(&mut env);
        let replica_address = replica_address(&mut env);
        let installation_key = installation_key(&mut env);
        let simulated_proxmox = env.read_flag(&variables::PVE_SIMULATED);
        let tariff = offer::tariff(&mut env);
        let limits = offer::limits(&mut env);
        let payments = PaymentConfig::read(&mut env);
        let credit = CreditConfig::read(&mut env);
        let proxmox = ProxmoxConfig::read(&mut env);
        let tenants = TenantConfig::read(&mut env);
        let console = ConsoleConfig::read(&mut env);
        let guest = GuestConfig::read(&mut env);
        let own = ingress::own_hosts(&public_base_url, &allowed_origins);
        let ingress = IngressConfig::read(&mut env, bind, &own, guest.ssh);
        let jump_host = JumpHostConfig::read(&mut env, bind, &public_base_url, guest.ssh);
        env.finish_with(|| {
            Some(Self {
                listen: SocketAddr::new(bind, port),
                public_base_url,
                allowed_origins,
                database: database?,
                grace_seconds,
                held_seconds: held_hours * 3600,
                orphan_keep_seconds: i64::from(orphan_keep_hours) * 3600,
                leases_in_flight,
                leases_in_flight_per_address: in_flight_per_address,
                max_unpaid_leases,
                failed_payments_per_minute: NonZeroU32::new(failures).unwrap_or(NonZeroU32::MIN),
                free_calls_per_minute: NonZeroU32::new(free_calls).unwrap_or(NonZeroU32::MIN),
                trusted_proxies,
                services_secret,
                replica_address,
                installation_key,
                simulated_proxmox,
                tariff,
                limits,
                payments: payments?,
                credit,
                proxmox: proxmox?,
                tenants,
                console,
                guest,
                ingress,
                jump_host,
            })
        })
    }
}

/// A key that could be guessed would give every lease's password away.
fn installation_key(env: &mut Env) -> Option<Secret> {
    let key = env.find_secret(&variables::INSTALLATION_KEY)?;
    if key.expose().len() < 32 {
        env.reject(
            &variables::INSTALLATION_KEY,
            "is shorter than 32 characters",
        );
        return None;
    }
    Some(key)
}

/// Reads only `DATABASE`, for commands that need nothing else.
///
/// # Errors
/// What is wrong with `DATABASE`.
pub fn read_database(env: Env) -> Result<Database, Problems> {
    let mut env = env.for_schema(&SCHEMA);
    let database = database(&mut env);
    env.finish_with(|| database)
}

/// The public address is never taken from a request, because a client chooses its `Host` header.
fn public_base_url(env: &mut Env, bind: IpAddr, port: u16) -> String {
    let host = match bind {
        ip if ip.is_unspecified() => "localhost".to_owned(),
        IpAddr::V6(ip) => format!("[{ip}]"),
        IpAddr::V4(ip) => ip.to_string(),
    };
    let text = env
        .find_text(&variables::PUBLIC_BASE_URL)
        .unwrap_or_else(|| format!("http://{host}:{port}"));
    let fits = Url::parse(&text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    if !fits {
        let what = "is no address that begins with http:// or https://";
        env.reject(&variables::PUBLIC_BASE_URL, what);
    }
    text.trim_end_matches('/').to_owned()
}

fn allowed_origins(env: &mut Env) -> Vec<String> {
    let origins = env.read_list(&variables::ALLOWED_ORIGINS);
    for origin in &origins {
        let same = Url::parse(origin)
            .is_ok_and(|url| url.origin().ascii_serialization() == origin.as_str());
        if origin != "*" && !same {
            let what = "has an entry that is no origin: scheme, host and port, without a path";
            env.reject(&variables::ALLOWED_ORIGINS, what);
            break;
        }
    }
    origins
}

/// `None` only after a problem was recorded. The text is not repeated in it, because an address may
/// hold a password.
fn database(env: &mut Env) -> Option<Database> {
    let secret = env.find_secret(&variables::DATABASE);
    let text = secret
        .as_ref()
        .map_or(variables::DATABASE.default_text(), |secret| secret.expose());
    Database::parse(text.trim())
        .map_err(|what| env.reject(&variables::DATABASE, what))
        .ok()
}

/// Scheme, host and port, and nothing that would be a secret or be lost.
fn replica_address(env: &mut Env) -> Option<Url> {
    let text = env.find_text(&variables::REPLICA_ADDRESS)?;
    let url = Url::parse(&text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && (url.username(), url.password()) == ("", None)
            && (url.path(), url.query(), url.fragment()) == ("/", None, None)
    });
    if url.is_none() {
        let what = "is no address of the form http://HOST:PORT or https://HOST:PORT";
        env.reject(&variables::REPLICA_ADDRESS, what);
    }
    url
}

/// A short secret can be guessed, and then a client can claim any address.
fn services_secret(env: &mut Env) -> Option<Secret> {
    const SHORTEST: usize = 16;
    let secret = env.find_secret(&variables::SERVICES_SECRET)?;
    if secret.expose().len() < SHORTEST {
        env.reject(&variables::SERVICES_SECRET, "has fewer than 16 characters");
    }
    Some(secret)
}

fn grace_seconds(env: &mut Env) -> u32 {
    let minutes: f64 = env.read_in(&variables::LEASE_GRACE_MINUTES, 0.0..=43_200.0);
    // At most 2,592,000: the limits above keep it within the type.
    (minutes * 60.0).round() as u32
}
