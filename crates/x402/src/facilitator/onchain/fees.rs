//! The fees that a transaction offers.

use alloy::primitives::U128;
use serde::{Serialize, Serializer, ser::SerializeStruct as _};

use super::sent::Sent;

/// Fees by EIP-1559, in wei per unit of gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fees {
    pub(super) max_fee: u128,
    pub(super) priority_fee: u128,
}

/// Serialized as members of a JSON-RPC call.
impl Serialize for Fees {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_struct("Fees", 2)?;
        members.serialize_field("maxFeePerGas", &U128::from(self.max_fee))?;
        members.serialize_field("maxPriorityFeePerGas", &U128::from(self.priority_fee))?;
        members.end()
    }
}

impl Fees {
    /// Fees over a block's base fee that stay sufficient for several full blocks.
    pub(super) fn over_base(base_fee: u128, priority_fee: u128) -> Self {
        Self {
            max_fee: base_fee.saturating_mul(2).saturating_add(priority_fee),
            priority_fee,
        }
    }

    /// The minimum that nodes require of a replacement transaction: 10 % more of both fees, and a
    /// little for rounding.
    pub(super) fn outbidding(self, old: &Sent) -> Self {
        let more = |fee: u128| fee.saturating_add(fee / 8).saturating_add(1);
        let priority_fee = self.priority_fee.max(more(old.max_priority_fee_per_gas));
        Self {
            max_fee: self
                .max_fee
                .max(more(old.max_fee_per_gas))
                .max(priority_fee),
            priority_fee,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{B256, Bytes};

    use super::*;

    #[test]
    fn a_replacement_offers_at_least_an_eighth_more_of_both_fees() {
        let old = Sent {
            hash: B256::ZERO,
            raw: Bytes::new(),
            sender_nonce: 0,
            gas: 0,
            max_fee_per_gas: 800,
            max_priority_fee_per_gas: 0,
            after_block: 0,
        };
        let now = |max_fee, priority_fee| Fees {
            max_fee,
            priority_fee,
        };
        assert_eq!(now(10, 0).outbidding(&old), now(901, 1));
        assert_eq!(now(5_000, 70).outbidding(&old), now(5_000, 70));
        assert_eq!(now(u128::MAX, 1).outbidding(&old), now(u128::MAX, 1));
    }
}
