//! The customer's spending limits. They are checked before a wallet is opened.

use api_types::Usdc;
use serde::{Deserialize, Serialize};

/// The customer's limits. An absent field is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CustomerBudget {
    /// The largest payment.
    pub per_payment: Option<Usdc>,
    /// The most that may be spent until the tab is closed.
    pub per_session: Option<Usdc>,
    /// Payments up to this amount start without a press of the button. Absent: the customer is
    /// always asked.
    pub auto_below: Option<Usdc>,
}

/// The limit that a payment exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverBudget {
    /// The limit of one payment.
    Payment(Usdc),
    /// The limit of the session.
    Session(Usdc),
}

impl CustomerBudget {
    /// Checks a payment against the limits. `spent` is what was spent in this session before.
    ///
    /// # Errors
    /// The first limit that it exceeds.
    pub fn check(&self, amount: Usdc, spent: Usdc) -> Result<(), OverBudget> {
        if let Some(cap) = self.per_payment
            && amount > cap
        {
            return Err(OverBudget::Payment(cap));
        }
        if let Some(cap) = self.per_session
            && spent.0.saturating_add(amount.0) > cap.0
        {
            return Err(OverBudget::Session(cap));
        }
        Ok(())
    }

    /// Whether a payment may start without a press of the button.
    pub fn allows_automatic(&self, amount: Usdc, spent: Usdc) -> bool {
        self.auto_below.is_some_and(|limit| amount <= limit) && self.check(amount, spent).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: CustomerBudget = CustomerBudget {
        per_payment: Some(Usdc(50)),
        per_session: Some(Usdc(100)),
        auto_below: None,
    };

    #[test]
    fn a_limit_may_be_reached_and_not_passed() {
        assert_eq!(BUDGET.check(Usdc(50), Usdc(50)), Ok(()));
        assert_eq!(
            BUDGET.check(Usdc(51), Usdc(0)),
            Err(OverBudget::Payment(Usdc(50)))
        );
        assert_eq!(
            BUDGET.check(Usdc(50), Usdc(51)),
            Err(OverBudget::Session(Usdc(100)))
        );
        assert_eq!(
            BUDGET.check(Usdc(50), Usdc(u64::MAX)),
            Err(OverBudget::Session(Usdc(100)))
        );
        assert_eq!(
            CustomerBudget::default().check(Usdc(u64::MAX), Usdc(9)),
            Ok(())
        );
    }

    #[test]
    fn nothing_is_paid_by_itself_unless_that_was_turned_on() {
        assert!(!BUDGET.allows_automatic(Usdc(1), Usdc(0)));
        let on = CustomerBudget {
            auto_below: Some(Usdc(60)),
            ..BUDGET
        };
        assert!(on.allows_automatic(Usdc(50), Usdc(0)));
        assert!(!on.allows_automatic(Usdc(55), Usdc(0)));
        assert!(!on.allows_automatic(Usdc(50), Usdc(60)));
        assert!(!on.allows_automatic(Usdc(61), Usdc(0)));
    }
}
