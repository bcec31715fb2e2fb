//! A facilitator with play money. It really checks signatures, windows, nonces and balances; only
//! the chain is missing. It works on test networks only.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;

use super::{
    Description, Facilitator, FacilitatorError, FacilitatorRequest, Settlement, Supported,
    Verification,
    ledger::{Ledger, Transfer, TransferOutcome},
    terms::TransferTerms,
};
use crate::{
    network::Network,
    reason::{Reason, code},
    wire::{Rest, receipt::Receipt},
};

/// The current time in Unix seconds, for windows.
pub type Now = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Settles on a [`Ledger`] instead of a chain.
pub struct DemoFacilitator<L> {
    network: &'static Network,
    ledger: L,
    now: Now,
}

/// The network has real money, which play money must not stand for.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the demo facilitator does not serve {0}, where money is real")]
pub struct RealMoney(&'static str);

impl<L: Ledger> DemoFacilitator<L> {
    /// A facilitator for one test network.
    ///
    /// # Errors
    /// The network is not a test network.
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
            now: Arc::new(now),
        })
    }

    /// The same with another clock.
    #[must_use]
    pub fn with_clock(self, now: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self {
            now: Arc::new(now),
            ..self
        }
    }

    /// The ledger.
    pub fn ledger(&self) -> &L {
        &self.ledger
    }

    /// Checks the terms, except for the window, and for balance and nonce, which the ledger checks.
    fn terms(&self, request: &FacilitatorRequest) -> Result<TransferTerms, Reason> {
        let terms = TransferTerms::read(request, self.network)?;
        terms.signed_by_payer()?;
        Ok(terms)
    }
}

fn transfer(terms: &TransferTerms) -> Transfer {
    Transfer {
        network: terms.network.caip2,
        asset: terms.network.usdc.address,
        from: terms.authorization.from,
        to: terms.authorization.to,
        value: terms.value,
        nonce: terms.authorization.nonce,
    }
}

#[async_trait]
impl<L: Ledger> Facilitator for DemoFacilitator<L> {
    async fn verify(&self, request: &FacilitatorRequest) -> Result<Verification, FacilitatorError> {
        let checked = self.terms(request).and_then(|terms| {
            terms.window((self.now)())?;
            Ok(transfer(&terms))
        });
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
        let terms = match self.terms(request) {
            Ok(terms) => terms,
            Err(reason) => return refused(&reason.code, reason.message),
        };
        let transfer = transfer(&terms);
        let transaction = transfer.transaction();
        let payer = Some(transfer.from.to_checksum(None));
        let outcome = match terms.window((self.now)()) {
            // The ledger moves the money once. A transfer that was made before gives `Done` again,
            // and no money moves.
            Ok(()) => self.ledger.transfer(transfer).await,
            // A transfer that was made stays valid after its window.
            Err(reason) => match self.ledger.was_done(&transfer).await {
                Ok(true) => Ok(TransferOutcome::Done),
                Ok(false) => return refused(&reason.code, reason.message),
                Err(error) => Err(error),
            },
        };
        match outcome {
            Ok(TransferOutcome::Done) => Settlement::Settled {
                receipt: Receipt {
                    success: true,
                    error_reason: None,
                    transaction,
                    network: request.payment_payload.network().to_owned(),
                    payer,
                    rest: Rest::new(),
                },
                evidence: None,
            },
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
        Ok(Supported::exact_on(self.network))
    }

    fn describe(&self) -> Description {
        Description {
            kind: "demo",
            url: None,
            simulated: true,
        }
    }
}
