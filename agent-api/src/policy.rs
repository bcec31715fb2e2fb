//! Limits on the payments that this service relays: the maximum for one call, the maximum for one
//! wallet and day, the payees and the networks. The interface has its own limits. These are checked
//! independently of it, when the price is shown and again when it is paid.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use api_types::Usdc;
use x402::network::Network;

use crate::payment::PaymentTerms;

/// How long a session's spending counts. A day after the first payment it starts at zero again.
const SESSION_SECONDS: u64 = 24 * 60 * 60;
/// The maximum number of wallets that are counted; the oldest sessions are dropped first.
const MOST: usize = 50_000;

/// The limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The maximum price of one call.
    pub max_payment: Usdc,
    /// The maximum that one wallet may pay in a day.
    pub max_session: Usdc,
    /// The allowed payees, lower case; all if empty.
    pub payees: Vec<String>,
    /// The allowed networks; all if empty.
    pub networks: Vec<&'static Network>,
}

/// Why a payment is not relayed. The texts are for customers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyViolation {
    /// One call costs too much.
    #[error("It costs {0}, and this service relays at most {1} for one call.")]
    TooMuch(Usdc, Usdc),
    /// The session would cost too much.
    #[error(
        "With {0} already paid today it would go over the {1} that this service relays for one wallet a day."
    )]
    TooMuchToday(Usdc, Usdc),
    /// The payee is not on the list.
    #[error("It would be paid to an address that this service does not pay.")]
    Payee,
    /// The network is not on the list.
    #[error("It would be paid on a network that this service does not use.")]
    Network,
}

impl Policy {
    /// Checks the terms of a call for a customer who has already spent this much.
    ///
    /// # Errors
    /// The terms break a limit.
    pub fn check(&self, terms: &PaymentTerms, spent: Usdc) -> Result<(), PolicyViolation> {
        let network = Network::by_name(&terms.network).ok_or(PolicyViolation::Network)?;
        if !self.networks.is_empty() && !self.networks.contains(&network) {
            return Err(PolicyViolation::Network);
        }
        let payee = terms.pay_to.to_lowercase();
        if !self.payees.is_empty() && !self.payees.contains(&payee) {
            return Err(PolicyViolation::Payee);
        }
        let amount = Usdc(terms.amount);
        if amount > self.max_payment {
            return Err(PolicyViolation::TooMuch(amount, self.max_payment));
        }
        match spent.checked_add(amount) {
            Some(total) if total <= self.max_session => Ok(()),
            _ => Err(PolicyViolation::TooMuchToday(spent, self.max_session)),
        }
    }
}

/// The spending of each wallet through this process.
#[derive(Debug, Default)]
pub struct Spending(Mutex<HashMap<String, WalletSpending>>);

#[derive(Debug, Clone, Copy)]
struct WalletSpending {
    ends_at: u64,
    spent: Usdc,
}

impl Spending {
    /// Checks whether a wallet may be asked to pay on these terms. `now` is in Unix seconds.
    ///
    /// # Errors
    /// The terms break a limit.
    pub fn check(
        &self,
        policy: &Policy,
        terms: &PaymentTerms,
        wallet: Option<&str>,
        now: u64,
    ) -> Result<(), PolicyViolation> {
        let sessions = self.sessions();
        let session = wallet.and_then(|wallet| sessions.get(wallet));
        policy.check(terms, spent(session, now))
    }

    /// Counts a payment that is about to be relayed.
    ///
    /// # Errors
    /// The payment breaks a limit and is not counted.
    pub fn reserve(
        &self,
        policy: &Policy,
        terms: &PaymentTerms,
        wallet: &str,
        now: u64,
    ) -> Result<(), PolicyViolation> {
        let mut sessions = self.sessions();
        policy.check(terms, spent(sessions.get(wallet), now))?;
        sessions.retain(|_, session| session.ends_at > now);
        if sessions.len() >= MOST && !sessions.contains_key(wallet) {
            let oldest = sessions.iter().min_by_key(|(_, session)| session.ends_at);
            if let Some(wallet) = oldest.map(|(wallet, _)| wallet.clone()) {
                sessions.remove(&wallet);
            }
        }
        let session = sessions.entry(wallet.to_owned()).or_insert(WalletSpending {
            ends_at: now + SESSION_SECONDS,
            spent: Usdc::ZERO,
        });
        session.spent = [session.spent, Usdc(terms.amount)].into_iter().sum();
        Ok(())
    }

    /// Removes a payment that was refused from the count.
    pub fn release(&self, terms: &PaymentTerms, wallet: &str) {
        if let Some(session) = self.sessions().get_mut(wallet) {
            let less = session.spent.checked_sub(Usdc(terms.amount));
            session.spent = less.unwrap_or(Usdc::ZERO);
        }
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<String, WalletSpending>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn spent(session: Option<&WalletSpending>, now: u64) -> Usdc {
    let current = session.filter(|session| session.ends_at > now);
    current.map_or(Usdc::ZERO, |session| session.spent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(amount: u64) -> PaymentTerms {
        PaymentTerms {
            amount,
            network: "eip155:84532".into(),
            asset: "0xa".into(),
            pay_to: "0xAbC".into(),
            resource: "http://h/".into(),
            valid_until: 0,
        }
    }

    fn policy() -> Policy {
        Policy {
            max_payment: Usdc(1_000),
            max_session: Usdc(1_500),
            payees: vec!["0xabc".into()],
            networks: Network::by_name("base-sepolia").into_iter().collect(),
        }
    }

    #[test]
    fn each_limit_is_enforced() {
        let policy = policy();
        assert_eq!(policy.check(&terms(1_000), Usdc(500)), Ok(()));
        assert_eq!(
            policy.check(&terms(1_001), Usdc(0)),
            Err(PolicyViolation::TooMuch(Usdc(1_001), Usdc(1_000)))
        );
        assert_eq!(
            policy.check(&terms(1_000), Usdc(501)),
            Err(PolicyViolation::TooMuchToday(Usdc(501), Usdc(1_500)))
        );
        assert!(policy.check(&terms(1_000), Usdc(u64::MAX)).is_err());
        let payee = PaymentTerms {
            pay_to: "0xdef".into(),
            ..terms(1)
        };
        assert_eq!(policy.check(&payee, Usdc(0)), Err(PolicyViolation::Payee));
        let network = PaymentTerms {
            network: "eip155:8453".into(),
            ..terms(1)
        };
        assert_eq!(
            policy.check(&network, Usdc(0)),
            Err(PolicyViolation::Network)
        );
        let open = Policy {
            payees: vec![],
            networks: vec![],
            ..policy
        };
        assert_eq!(
            open.check(
                &PaymentTerms {
                    network: "eip155:8453".into(),
                    ..payee
                },
                Usdc(0)
            ),
            Ok(())
        );
    }

    #[test]
    fn a_session_ends_after_a_day() {
        let (spending, policy) = (Spending::default(), policy());
        let reserve = |amount, now| spending.reserve(&policy, &terms(amount), "0xabc", now);
        reserve(900, 0).unwrap();
        reserve(600, SESSION_SECONDS - 1).unwrap();
        assert!(reserve(1, SESSION_SECONDS - 1).is_err());
        assert!(
            spending
                .check(&policy, &terms(1), Some("0xabc"), SESSION_SECONDS - 1)
                .is_err()
        );
        assert_eq!(spending.check(&policy, &terms(1), Some("0xdef"), 0), Ok(()));
        reserve(1_000, SESSION_SECONDS).unwrap();
    }

    #[test]
    fn a_refused_payment_does_not_count() {
        let (spending, policy) = (Spending::default(), policy());
        spending
            .reserve(&policy, &terms(1_000), "0xabc", 0)
            .unwrap();
        assert!(
            spending
                .reserve(&policy, &terms(1_000), "0xabc", 0)
                .is_err()
        );
        spending.release(&terms(1_000), "0xabc");
        spending
            .reserve(&policy, &terms(1_000), "0xabc", 0)
            .unwrap();
    }
}
