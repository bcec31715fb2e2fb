//! The configured limits on payments that are relayed.

use api_types::Usdc;
use service::env::{Env, schema::Variable};
use x402::network::Network;

use super::variables;
use crate::policy::Policy;

/// Reads the limits.
pub(super) fn read(env: &mut Env) -> Policy {
    let max_payment = dollars(env, &variables::MAX_PAYMENT_USD);
    let max_session = dollars(env, &variables::MAX_SESSION_USD);
    let payees = env.read_list(&variables::ALLOWED_PAYEES);
    let is_address = |text: &String| {
        let digits = text.strip_prefix("0x").unwrap_or_default();
        digits.len() == 40 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    if !payees.iter().all(is_address) {
        env.reject(
            &variables::ALLOWED_PAYEES,
            "has an entry that is no address",
        );
    }
    let names = env.read_list(&variables::ALLOWED_NETWORKS);
    let networks: Vec<_> = names
        .iter()
        .filter_map(|name| Network::by_name(name))
        .collect();
    if networks.len() < names.len() {
        env.reject(
            &variables::ALLOWED_NETWORKS,
            "has an entry that is no known network",
        );
    }
    Policy {
        max_payment,
        max_session,
        payees: payees.iter().map(|payee| payee.to_lowercase()).collect(),
        networks,
    }
}

/// Reads an amount in dollars digit by digit, because amounts of money are never floating-point
/// numbers.
fn dollars(env: &mut Env, variable: &Variable) -> Usdc {
    let text = env.read_text(variable);
    atomic(&text).unwrap_or_else(|| {
        env.reject(
            variable,
            "is no amount in dollars with at most six decimals",
        );
        Usdc::ZERO
    })
}

fn atomic(text: &str) -> Option<Usdc> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let decimals = Usdc::DECIMALS as usize;
    if whole.is_empty() || fraction.len() > decimals || !digits(whole) || !digits(fraction) {
        return None;
    }
    format!("{whole}{fraction:0<decimals$}")
        .parse()
        .ok()
        .map(Usdc)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_become_atomic_units_exactly() {
        let cases = [
            ("10", Some(10_000_000)),
            ("0.1", Some(100_000)),
            ("0.000001", Some(1)),
            ("1.", Some(1_000_000)),
            ("0.0000001", None),
            (".5", None),
            ("-1", None),
            ("1e3", None),
            ("99999999999999999999", None),
        ];
        for (text, expected) in cases {
            assert_eq!(atomic(text), expected.map(Usdc), "{text}");
        }
    }
}
