//! The way into containers by SSH.

use ::guest::Dialer;
use service::env::Env;

use super::variables;

/// The way into containers by SSH.
#[derive(Clone, Debug)]
pub struct GuestConfig {
    /// Whether SSH is used, and the service's key laid into new containers: `GUEST_SSH`.
    pub ssh: bool,
    /// How the network of containers is reached: `GUEST_PROXY`.
    pub dialer: Dialer,
}

impl GuestConfig {
    pub(super) fn read(env: &mut Env) -> Self {
        let ssh = env.read_flag(&variables::GUEST_SSH);
        let proxy = env.find_secret(&variables::GUEST_PROXY);
        let dialer = match proxy.map(|proxy| proxy.expose().parse()) {
            None => Dialer::Direct,
            Some(Ok(dialer)) => dialer,
            Some(Err(_)) => {
                // The value may hold a password and is not repeated.
                env.reject(
                    &variables::GUEST_PROXY,
                    "is no address of a SOCKS5 proxy (socks5h://[USER:PASSWORD@]HOST:PORT)",
                );
                Dialer::Direct
            }
        };
        Self { ssh, dialer }
    }
}
