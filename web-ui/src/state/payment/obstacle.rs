//! What prevents a payment at the moment, as it is shown beside the "Pay" button.

use api_types::Usdc;

use crate::pay::PayCard;

/// What prevents a payment at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayObstacle {
    /// The offer is for another account than the connected one.
    OtherAccount,
    /// The offer has expired.
    Expired,
    /// The account's balance is below the price.
    TooLittle,
    /// Another payment is under way.
    Busy,
    /// Another payment is under way in another tab.
    BusyElsewhere,
    /// The chosen credential cannot be used yet.
    LoginCredential,
}

impl PayObstacle {
    /// Whether this offer can never be paid, so that a new one is needed.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::OtherAccount | Self::Expired)
    }
}

/// What decides whether a card can be paid, beside the card.
#[derive(Debug, Clone, Default)]
pub struct PayContext {
    /// The connected account's address.
    pub account: Option<String>,
    /// Unix seconds.
    pub now: u64,
    /// The account's balance, if it is known.
    pub balance: Option<Usdc>,
    /// Whether another payment is under way on this page.
    pub busy: bool,
    /// Whether a payment is under way in another tab.
    pub other_tab_pays: bool,
    /// Whether the chosen credential can be used.
    pub credential: bool,
}

/// What prevents the payment of a card, final obstacles first.
pub fn find_obstacle(card: &PayCard, context: &PayContext) -> Option<PayObstacle> {
    let offer = card.offer.as_ref()?;
    let connected = context.account.as_deref();
    let is_other = |made_for: &String| {
        connected.is_some_and(|account| !account.eq_ignore_ascii_case(made_for))
    };
    let is_too_little =
        connected.is_some() && context.balance.is_some_and(|has| has < offer.amount);
    [
        (
            card.made_for.as_ref().is_some_and(is_other),
            PayObstacle::OtherAccount,
        ),
        (
            offer.valid_until.unix() <= context.now,
            PayObstacle::Expired,
        ),
        (is_too_little, PayObstacle::TooLittle),
        (context.busy, PayObstacle::Busy),
        (context.other_tab_pays, PayObstacle::BusyElsewhere),
        (
            card.needs_credential && !context.credential,
            PayObstacle::LoginCredential,
        ),
    ]
    .into_iter()
    .find_map(|(applies, obstacle)| applies.then_some(obstacle))
}

#[cfg(test)]
mod tests {
    use api_types::Timestamp;

    use super::*;
    use crate::pay::{Offer, PaidOperation, PaymentPhase, PurchaseVia};

    fn card() -> PayCard {
        PayCard {
            offer: Some(Offer {
                amount: Usdc(1000),
                network: "Base Sepolia".into(),
                chain_id: 84532,
                testnet: true,
                asset: "0x036C".into(),
                pay_to: "0x7099".into(),
                valid_until: Timestamp(300),
            }),
            needs_credential: true,
            made_for: Some("0xAb".into()),
            phase: PaymentPhase::Offered,
            ..PayCard::new(1, PurchaseVia::Direct(PaidOperation::List))
        }
    }

    fn around() -> PayContext {
        PayContext {
            account: Some("0xaB".into()),
            now: 10,
            balance: Some(Usdc(1000)),
            credential: true,
            ..PayContext::default()
        }
    }

    #[test]
    fn a_balance_that_is_just_enough_is_no_obstacle() {
        assert_eq!(find_obstacle(&card(), &around()), None);
        let unknown = PayContext {
            balance: None,
            ..around()
        };
        assert_eq!(find_obstacle(&card(), &unknown), None);
        let unbound = PayCard {
            made_for: None,
            ..card()
        };
        assert_eq!(find_obstacle(&unbound, &around()), None);
    }

    #[test]
    fn each_obstacle_is_found_and_the_worst_comes_first() {
        let mut now = PayContext {
            credential: false,
            ..around()
        };
        assert_eq!(
            find_obstacle(&card(), &now),
            Some(PayObstacle::LoginCredential)
        );
        now.other_tab_pays = true;
        assert_eq!(
            find_obstacle(&card(), &now),
            Some(PayObstacle::BusyElsewhere)
        );
        now.busy = true;
        assert_eq!(find_obstacle(&card(), &now), Some(PayObstacle::Busy));
        now.balance = Some(Usdc(999));
        assert_eq!(find_obstacle(&card(), &now), Some(PayObstacle::TooLittle));
        now.now = 300;
        assert_eq!(find_obstacle(&card(), &now), Some(PayObstacle::Expired));
        now.account = Some("0xCd".into());
        assert_eq!(
            find_obstacle(&card(), &now),
            Some(PayObstacle::OtherAccount)
        );
    }

    #[test]
    fn without_a_wallet_only_the_offer_can_be_expired() {
        let mut without_account = PayContext {
            account: None,
            balance: Some(Usdc(0)),
            ..around()
        };
        assert_eq!(find_obstacle(&card(), &without_account), None);
        without_account.now = 301;
        assert_eq!(
            find_obstacle(&card(), &without_account),
            Some(PayObstacle::Expired)
        );
    }
}
