//! The configuration, read once at start. Every mistake is reported at once.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use alloy::primitives::Address;
use api_types::{Limits, Tariff};
use service::env::{Env, Problems};
use x402::network::Network;

/// What the process was told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen: `BIND` and `PORT`.
    pub listen: SocketAddr,
    /// Who is paid: `ADDRESS`.
    pub pay_to: Address,
    /// Where it is paid: `NETWORK`.
    pub network: &'static Network,
    /// How long the data of an expired lease is kept, in minutes: `LEASE_GRACE_MINUTES`.
    pub grace_minutes: u32,
    /// The rates.
    pub tariff: Tariff,
    /// What may be asked for.
    pub limits: Limits,
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    /// Every problem, with the variable's name and an example.
    pub fn from_env(mut env: Env) -> Result<Self, Problems> {
        let bind = env.parse("BIND", IpAddr::V4(Ipv4Addr::LOCALHOST), "127.0.0.1");
        let port = env.parse("PORT", 4021_u16, "4021");
        let example = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
        let pay_to: Option<Address> = env.required("ADDRESS", example);
        let name = env.text("NETWORK", "base-sepolia");
        let network = Network::by_name(&name);
        if network.is_none() {
            env.problem("NETWORK", "no such network is known", "base-sepolia");
        }
        if pay_to == Some(Address::ZERO) {
            env.problem("ADDRESS", "nobody owns the zero address", example);
        }
        let grace_minutes = env.number_in("LEASE_GRACE_MINUTES", 1440, 0..=43_200);
        env.finish_with(|| {
            Some(Self {
                listen: SocketAddr::new(bind, port),
                pay_to: pay_to?,
                network: network?,
                grace_minutes,
                tariff: Tariff::default(),
                limits: Limits::default(),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_named_at_once() {
        let env = Env::from_map([
            ("ADDRESS", "0x12"),
            ("NETWORK", "dogecoin"),
            ("PORT", "ninety"),
            ("LEASE_GRACE_MINUTES", "-1"),
        ]);
        let problems = Config::from_env(env).unwrap_err().to_string();
        for variable in ["ADDRESS", "NETWORK", "PORT", "LEASE_GRACE_MINUTES"] {
            assert!(
                problems.contains(variable),
                "{variable} is not in:\n{problems}"
            );
        }
        assert!(Config::from_env(Env::from_map::<&str, &str>([])).is_err());
    }

    #[test]
    fn an_address_is_all_that_has_to_be_set() {
        let address = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
        let config = Config::from_env(Env::from_map([("ADDRESS", address)])).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:4021");
        assert_eq!(config.network.caip2, "eip155:84532");
        assert_eq!(config.pay_to.to_checksum(None), address);
    }
}
