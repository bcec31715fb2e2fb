//! The terms of a settlement on which payment and requirements agree. These checks need neither a
//! chain nor a ledger; the facilitators that settle themselves share them.

use alloy::primitives::{Address, Bytes, U256, hex};
use serde_json::Value;

use super::FacilitatorRequest;
use crate::{
    eip3009,
    network::Network,
    payment::Version,
    reason::{Reason, code},
    wire::exact::Authorization,
};

/// The terms of a transfer on which payer and server agree.
#[derive(Clone, Debug)]
pub(super) struct TransferTerms {
    pub(super) network: &'static Network,
    pub(super) authorization: Authorization,
    /// The authorization's value. It fits into a `u64`, because USDC's whole supply does.
    pub(super) value: u64,
    pub(super) signature: Bytes,
}

impl TransferTerms {
    /// Reads a request. [`TransferTerms::window`] checks the window,
    /// [`TransferTerms::signed_by_payer`] the signature.
    pub(super) fn read(
        request: &FacilitatorRequest,
        network: &'static Network,
    ) -> Result<Self, Reason> {
        let payment = &request.payment_payload;
        if Network::by_name(payment.network()) != Some(network) {
            return Err(Reason::new(
                code::INVALID_NETWORK,
                "this facilitator serves another network",
            ));
        }
        let wanted = |member: &str| {
            let value = request.payment_requirements.get(member);
            value.and_then(Value::as_str).unwrap_or_default()
        };
        if wanted("asset").parse() != Ok(network.usdc.address) {
            return Err(Reason::new(code::UNKNOWN_ASSET, "only USDC is known here"));
        }
        let authorization = payment.authorization();
        let pay_to: Option<Address> = wanted("payTo").parse().ok();
        if pay_to != Some(authorization.to) {
            return Err(Reason::new(
                code::RECIPIENT,
                "payTo and the authorization's to differ",
            ));
        }
        let (amount, enough): (_, fn(&U256, &U256) -> bool) = match payment.version() {
            Version::V1 => (wanted("maxAmountRequired"), U256::ge),
            Version::V2 => (wanted("amount"), U256::eq),
        };
        let amount: U256 = amount
            .parse()
            .map_err(|_| Reason::new(code::VALUE, "no amount asked for"))?;
        let value = u64::try_from(authorization.value)
            .ok()
            .filter(|_| enough(&authorization.value, &amount))
            .ok_or_else(|| Reason::new(code::VALUE, "another amount was authorized"))?;
        let signature = hex::decode(&payment.exact().signature)
            .map_err(|_| Reason::new(code::SIGNATURE, "not hexadecimal"))?;
        Ok(Self {
            network,
            authorization: authorization.clone(),
            value,
            signature: signature.into(),
        })
    }

    /// Whether the authorization is valid at `now`, in Unix seconds, by the token's own rule.
    pub(super) fn window(&self, now: u64) -> Result<(), Reason> {
        let now = U256::from(now);
        if self.authorization.valid_after > now {
            return Err(Reason::new(code::VALID_AFTER, "not valid yet"));
        }
        if self.authorization.valid_before <= now {
            return Err(Reason::new(code::VALID_BEFORE, "no longer valid"));
        }
        Ok(())
    }

    /// Whether the payer's own key signed. A contract's signature cannot be checked here.
    pub(super) fn signed_by_payer(&self) -> Result<(), Reason> {
        let signer = eip3009::recover(
            self.network,
            &self.network.usdc,
            &self.authorization,
            &self.signature,
        )?;
        if signer != self.authorization.from {
            return Err(Reason::new(code::SIGNATURE, "signed by another account"));
        }
        Ok(())
    }
}
