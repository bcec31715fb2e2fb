//! A facilitator with play money: signatures, windows, nonces and balances are really checked, only
//! the chain is missing. It exists on test networks alone.

use std::time::{SystemTime, UNIX_EPOCH};

use alloy::primitives::{Address, U256, hex};
use async_trait::async_trait;
use serde_json::Value;

use super::{
    Description, Facilitator, FacilitatorError, FacilitatorRequest, Kind, Settlement, Supported,
    Verification,
    ledger::{Ledger, Transfer, TransferOutcome},
};
use crate::{
    eip3009,
    network::Network,
    payment::Version,
    reason::{Reason, code},
    wire::{Rest, receipt::Receipt},
};

/// Unix seconds now, for windows.
pub type Now = fn() -> u64;

/// Settles on a [`Ledger`] instead of a chain.
pub struct DemoFacilitator<L> {
    network: &'static Network,
    ledger: L,
    now: Now,
}

/// Play money is not for a network with real money.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the demo facilitator does not serve {0}, where money is real")]
pub struct RealMoney(&'static str);

impl<L: Ledger> DemoFacilitator<L> {
    /// A facilitator for one test network.
    ///
    /// # Errors
    /// The network is no test network.
    pub fn new(network: &'static Network, ledger: L) -> Result<Self, RealMoney> {
        if !network.testnet {
            return Err(RealMoney(network.display_name));
        }
        let now = || {
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |d| d.as_secs())
        };
        Ok(Self {
            network,
            ledger,
            now,
        })
    }

    /// The same with another clock.
    #[must_use]
    pub fn with_clock(self, now: Now) -> Self {
        Self { now, ..self }
    }

    /// The ledger.
    pub fn ledger(&self) -> &L {
        &self.ledger
    }

    /// Whether the authorization can be used now.
    fn window(&self, request: &FacilitatorRequest) -> Result<(), Reason> {
        let authorization = request.payment_payload.authorization();
        let now = U256::from((self.now)());
        if authorization.valid_after > now {
            return Err(Reason::new(code::VALID_AFTER, "not valid yet"));
        }
        if authorization.valid_before <= now {
            return Err(Reason::new(code::VALID_BEFORE, "no longer valid"));
        }
        Ok(())
    }

    /// Everything but the window, and balance and nonce, which the ledger checks.
    fn transfer(&self, request: &FacilitatorRequest) -> Result<Transfer, Reason> {
        let payment = &request.payment_payload;
        if Network::by_name(payment.network()) != Some(self.network) {
            return Err(Reason::new(
                code::INVALID_NETWORK,
                "this facilitator serves another network",
            ));
        }
        let wanted = |member: &str| {
            request
                .payment_requirements
                .get(member)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let asset = &self.network.usdc;
        if wanted("asset").parse() != Ok(asset.address) {
            return Err(Reason::new(
                "asset_not_deployed_contract",
                "only USDC is known here",
            ));
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
        if eip3009::recover(self.network, asset, authorization, &signature)? != authorization.from {
            return Err(Reason::new(code::SIGNATURE, "signed by another account"));
        }
        Ok(Transfer {
            network: self.network.caip2,
            asset: asset.address,
            from: authorization.from,
            to: authorization.to,
            value,
            nonce: authorization.nonce,
        })
    }
}

#[async_trait]
impl<L: Ledger> Facilitator for DemoFacilitator<L> {
    async fn verify(&self, request: &FacilitatorRequest) -> Result<Verification, FacilitatorError> {
        let checked = self.window(request).and_then(|()| self.transfer(request));
        let transfer = match checked {
            Ok(transfer) => transfer,
            Err(reason) => {
                let (reason, message) = (reason.code.into_owned(), Some(reason.message));
                return Ok(Verification::Invalid { reason, message });
            }
        };
        let balance = self.ledger.balance(transfer.from).await;
        let balance = balance.map_err(|e| FacilitatorError::Unreachable(e.to_string()))?;
        Ok(if balance < transfer.value {
            Verification::Invalid {
                reason: code::BALANCE.into(),
                message: Some(
                    "the account has too little play money; the faucet gives more".into(),
                ),
            }
        } else {
            Verification::Valid {
                payer: Some(transfer.from),
            }
        })
    }

    async fn settle(&self, request: &FacilitatorRequest) -> Settlement {
        let refused = |reason: &str, message: String| Settlement::Refused {
            reason: reason.to_owned(),
            message: Some(message),
        };
        let transfer = match self.transfer(request) {
            Ok(transfer) => transfer,
            Err(reason) => return refused(&reason.code, reason.message),
        };
        let transaction = transfer.transaction();
        let payer = Some(transfer.from.to_checksum(None));
        // A transfer that was made stays made when its window has passed.
        let outcome = match self.ledger.was_done(&transfer).await {
            Ok(true) => Ok(TransferOutcome::Done),
            Ok(false) => match self.window(request) {
                Ok(()) => self.ledger.transfer(transfer).await,
                Err(reason) => return refused(&reason.code, reason.message),
            },
            Err(error) => Err(error),
        };
        match outcome {
            Ok(TransferOutcome::Done) => Settlement::Settled(Receipt {
                success: true,
                error_reason: None,
                transaction,
                network: request.payment_payload.network().to_owned(),
                payer,
                rest: Rest::new(),
            }),
            Ok(TransferOutcome::NonceUsed) => {
                refused(code::NONCE_USED, "the nonce paid for something else".into())
            }
            Ok(TransferOutcome::Insufficient) => refused(
                code::BALANCE,
                "the account has too little play money".into(),
            ),
            Err(error) => Settlement::Unknown {
                reason: error.to_string(),
                transaction: Some(transaction),
            },
        }
    }

    async fn supported(&self) -> Result<Supported, FacilitatorError> {
        let kind = |x402_version, network: &str| Kind {
            x402_version,
            scheme: "exact".into(),
            network: network.into(),
            rest: Rest::new(),
        };
        let mut kinds = vec![kind(2, self.network.caip2)];
        kinds.extend(self.network.v1_name.map(|name| kind(1, name)));
        Ok(Supported {
            kinds,
            ..Supported::default()
        })
    }

    fn describe(&self) -> Description {
        Description {
            kind: "demo",
            url: None,
            simulated: true,
        }
    }
}
