//! Bodies of the routes about credit: money that a wallet paid in ahead.

use serde::{Deserialize, Serialize};

use crate::{
    keys::{KeyRequest, NewKey},
    money::Usdc,
    time::Timestamp,
};

/// The body of `POST /credit/top-up`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TopUpRequest {
    /// How much, which is also the price.
    pub amount: Usdc,
    /// A key to be made with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyRequest>,
}

/// A dollar: clients of x402 without settings refuse to pay more at a time.
impl Default for TopUpRequest {
    fn default() -> Self {
        Self {
            amount: Usdc::ONE,
            key: None,
        }
    }
}

/// The answer of `POST /credit/top-up`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TopUpResponse {
    /// What the wallet has now.
    pub balance: Usdc,
    /// The movement in `GET /credit/entries`.
    pub entry_id: u64,
    /// The key that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<NewKey>,
}

/// The answer of `GET /credit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CreditResponse {
    /// What the wallet has.
    pub balance: Usdc,
    /// How much of it is held for calls that are not over.
    pub held: Usdc,
    /// What can be spent now.
    pub available: Usdc,
    /// What an hour of all its live leases costs.
    pub burn_per_hour: Usdc,
    /// Until when the credit would renew all of them; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasts_until: Option<Timestamp>,
    /// What was spent since midnight UTC.
    pub spent_today: Usdc,
    /// How to add to it.
    pub top_up: TopUpTerms,
}

/// What a top-up has to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TopUpTerms {
    /// The method of its route.
    pub method: String,
    /// The path of its route.
    pub path: String,
    /// The least at a time.
    pub minimum: Usdc,
    /// What to add here, at most a dollar.
    pub suggested: Usdc,
    /// The most that can be added now.
    pub maximum: Usdc,
}

/// The member `credit` of a 402 to a caller who has credit or could have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CreditShortfall {
    /// What can be spent now.
    pub available: Usdc,
    /// What this call costs from credit.
    pub required: Usdc,
    /// What is missing.
    pub shortfall: Usdc,
    /// How to add to it.
    pub top_up: TopUpTerms,
}

/// Why money moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CreditEntryKind {
    /// Paid in.
    TopUp,
    /// Spent.
    Charge,
    /// Given back for time that was not used.
    Unused,
    /// Given back for something that was paid for and could not be delivered.
    Undeliverable,
    /// Given by the operator.
    Goodwill,
    /// Paid out.
    Withdrawal,
    /// Paid out, and come back.
    WithdrawalFailed,
    /// Expired.
    Expiry,
}

impl CreditEntryKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::TopUp,
        Self::Charge,
        Self::Unused,
        Self::Undeliverable,
        Self::Goodwill,
        Self::Withdrawal,
        Self::WithdrawalFailed,
        Self::Expiry,
    ];

    /// The word on the wire and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TopUp => "top_up",
            Self::Charge => "charge",
            Self::Unused => "unused",
            Self::Undeliverable => "undeliverable",
            Self::Goodwill => "goodwill",
            Self::Withdrawal => "withdrawal",
            Self::WithdrawalFailed => "withdrawal_failed",
            Self::Expiry => "expiry",
        }
    }

    /// The kind with this word, if there is one.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// Whether a movement adds to credit or takes from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CreditDirection {
    /// It adds.
    In,
    /// It takes.
    Out,
}

/// A movement of a wallet's credit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CreditEntry {
    /// Its id; later movements have larger ones.
    pub entry_id: u64,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub kind: CreditEntryKind,
    /// Whether it added or took.
    pub direction: CreditDirection,
    /// How much.
    pub amount: Usdc,
    /// What it was for: the id of a payment or a lease.
    pub reference: String,
    /// The key that spent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// The lease that it was for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_id: Option<String>,
}

/// The answer of `GET /credit/entries`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CreditEntries {
    /// The wallet's movements, the youngest first.
    pub entries: Vec<CreditEntry>,
    /// What to send as `before` for the page after this one; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_kinds_are_read_back() {
        for kind in CreditEntryKind::ALL {
            assert_eq!(CreditEntryKind::parse(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }
}
