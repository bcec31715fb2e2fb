//! What stands between a customer and the "pay" button. Each of these is said beside the button.

use api_types::Usdc;

use crate::pay::PayCard;

/// What stands in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bar {
    /// The offer was made for another account than the connected one.
    OtherAccount,
    /// The offer has run out.
    Expired,
    /// The account has less than the price.
    TooLittle,
    /// Another payment is under way.
    Busy,
    /// The same in another tab.
    BusyElsewhere,
    /// There is no usable credential yet.
    Credential,
}

impl Bar {
    /// Whether this offer will never be paid, so that another has to be asked for.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::OtherAccount | Self::Expired)
    }
}

/// How things stand around a card.
#[derive(Debug, Clone, Default)]
pub struct Around {
    /// The connected account's address.
    pub account: Option<String>,
    /// Unix seconds.
    pub now: u64,
    /// What the account has, where that is known.
    pub balance: Option<Usdc>,
    /// Whether another payment is under way on this page.
    pub busy: bool,
    /// Whether one is in another tab.
    pub elsewhere: bool,
    /// Whether the credential that is chosen can be used.
    pub credential: bool,
}

/// What stands in the way of paying a card: first what no waiting mends.
pub fn bar(card: &PayCard, around: &Around) -> Option<Bar> {
    let offer = card.offer.as_ref()?;
    let connected = around.account.as_deref();
    let other = |made_for: &String| {
        connected.is_some_and(|account| !account.eq_ignore_ascii_case(made_for))
    };
    let poor = connected.is_some() && around.balance.is_some_and(|has| has < offer.amount);
    [
        (card.made_for.as_ref().is_some_and(other), Bar::OtherAccount),
        (offer.valid_until.unix() <= around.now, Bar::Expired),
        (poor, Bar::TooLittle),
        (around.busy, Bar::Busy),
        (around.elsewhere, Bar::BusyElsewhere),
        (card.needs_credential && !around.credential, Bar::Credential),
    ]
    .into_iter()
    .find_map(|(stands, bar)| stands.then_some(bar))
}

#[cfg(test)]
mod tests {
    use api_types::Timestamp;

    use super::*;
    use crate::pay::{Call, Offer, Phase, Via};

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
            phase: Phase::Offered,
            ..PayCard::new(1, Via::Direct(Call::List))
        }
    }

    fn around() -> Around {
        Around {
            account: Some("0xaB".into()),
            now: 10,
            balance: Some(Usdc(1000)),
            credential: true,
            ..Around::default()
        }
    }

    #[test]
    fn nothing_stands_in_the_way_of_who_has_just_enough() {
        assert_eq!(bar(&card(), &around()), None);
        let unknown = Around {
            balance: None,
            ..around()
        };
        assert_eq!(bar(&card(), &unknown), None);
        let unbound = PayCard {
            made_for: None,
            ..card()
        };
        assert_eq!(bar(&unbound, &around()), None);
    }

    #[test]
    fn every_hindrance_has_its_name_and_the_worst_is_said() {
        let mut now = Around {
            credential: false,
            ..around()
        };
        assert_eq!(bar(&card(), &now), Some(Bar::Credential));
        now.elsewhere = true;
        assert_eq!(bar(&card(), &now), Some(Bar::BusyElsewhere));
        now.busy = true;
        assert_eq!(bar(&card(), &now), Some(Bar::Busy));
        now.balance = Some(Usdc(999));
        assert_eq!(bar(&card(), &now), Some(Bar::TooLittle));
        now.now = 300;
        assert_eq!(bar(&card(), &now), Some(Bar::Expired));
        now.account = Some("0xCd".into());
        assert_eq!(bar(&card(), &now), Some(Bar::OtherAccount));
    }

    #[test]
    fn without_a_wallet_only_the_offer_itself_can_be_over() {
        let mut nobody = Around {
            account: None,
            balance: Some(Usdc(0)),
            ..around()
        };
        assert_eq!(bar(&card(), &nobody), None);
        nobody.now = 301;
        assert_eq!(bar(&card(), &nobody), Some(Bar::Expired));
    }
}
