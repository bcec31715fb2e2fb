//! Checks whether the token would accept the authorization now, at an acceptable gas price, and
//! finds the reason if not.

use alloy::primitives::{Address, Bytes, TxKind, U64, U256};

use super::{
    SETTLEMENT_GAS,
    erc6492::WrappedSignature,
    fees::Fees,
    rpc::{Block, Rpc, RpcError, SimulatedCall},
    settings::GasPolicy,
    token,
};
use crate::{
    facilitator::terms::TransferTerms,
    reason::{Reason, code},
};

/// The gas of a contract beyond that of an ordinary transfer may cost at most this part (1/n) of
/// the payment.
const SHARE_OF_PRICE: u64 = 2;
/// A contract that fails within its limit is run again with this many times the gas, to find out
/// whether the limit was the cause.
const RETRY_GAS_FACTOR: u64 = 4;

/// The result of simulating the transfer.
pub(super) enum TransferCheck {
    /// The transfer would succeed.
    Good(TransferPlan),
    /// The transfer would fail because of the payment.
    Bad(Reason),
    /// The transfer would fail, and the payment is not the cause.
    NotReady(String),
}

/// The transaction that makes the transfer.
pub(super) struct TransferPlan {
    pub(super) to: TxKind,
    pub(super) input: Bytes,
    /// The gas limit, in units of gas.
    pub(super) gas: u64,
}

/// The kind of the payer's account.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Account {
    Ordinary,
    Contract,
    Undeployed,
}

/// One examination, in the state after `head`.
pub(super) struct Examination<'a> {
    pub(super) rpc: &'a Rpc,
    pub(super) terms: &'a TransferTerms,
    /// The account that would send the transaction and pay for its gas.
    pub(super) gas_key: Address,
    pub(super) policy: &'a GasPolicy,
    pub(super) head: &'a Block,
    pub(super) fees: Fees,
}

impl Examination<'_> {
    /// Simulates the transfer on the node: from the gas key and with the real fees and gas limit,
    /// because a contract can distinguish an unpaid call from a real one.
    pub(super) async fn run(&self) -> Result<TransferCheck, RpcError> {
        if self.fees.max_fee > self.policy.max_fee_per_gas {
            let why = "the chain wants more for gas than is allowed";
            return Ok(TransferCheck::NotReady(why.into()));
        }
        let from = self.terms.authorization.from;
        let (code, balance) = tokio::try_join!(
            self.rpc.code_at(from, self.head.number()),
            self.rpc.gas_balance(self.gas_key),
        )?;
        let (account, to, input) = match self.transaction(&code) {
            Ok(transaction) => transaction,
            Err(reason) => return Ok(TransferCheck::Bad(reason)),
        };
        let limit = self.limit(account);
        if balance < U256::from(limit) * U256::from(self.fees.max_fee) {
            return Ok(TransferCheck::NotReady("the gas key has too little".into()));
        }
        let call = SimulatedCall {
            from: Some(self.gas_key),
            to: to.to().copied(),
            gas: Some(U64::from(limit)),
            fees: Some(self.fees),
            block: Some(self.head.number()),
            input,
        };
        match self.rpc.estimate_gas(&call).await {
            Ok(gas) if gas > limit => Ok(TransferCheck::Bad(self.too_much_gas(limit))),
            Ok(gas) if account != Account::Ordinary && self.too_dear(gas) => {
                Ok(TransferCheck::Bad(Reason::new(
                    code::SIMULATION_FAILED,
                    "the gas of the account's contract costs too much for a payment this small",
                )))
            }
            Ok(gas) => Ok(TransferCheck::Good(TransferPlan {
                to,
                input: call.input,
                // More gas than estimated, because the state may change before the transfer is
                // mined.
                gas: gas.saturating_add(gas / 4).min(limit),
            })),
            Err(error) if error.failed_in_evm() => self.diagnose(account, call, &error).await,
            Err(error) => Err(error),
        }
    }

    fn limit(&self, account: Account) -> u64 {
        match account {
            Account::Ordinary => self.policy.limit_ordinary,
            Account::Contract => self.policy.limit_contract,
            Account::Undeployed => self.policy.limit_deployment(),
        }
    }

    /// The transaction of the transfer. A wallet that is not deployed yet is deployed in the same
    /// transaction, which leaves no other code behind.
    fn transaction(&self, code: &Bytes) -> Result<(Account, TxKind, Bytes), Reason> {
        let (asset, message) = (self.terms.network.usdc.address, &self.terms.authorization);
        let malformed = || Reason::new(code::SIGNATURE, "the signature cannot be read");
        let by_contract = |signature| {
            let input = token::transfer_by_contract(message, signature);
            Ok((Account::Contract, asset.into(), input))
        };
        match WrappedSignature::read(&self.terms.signature).map_err(|_| malformed())? {
            None if code.is_empty() => {
                self.terms.signed_by_payer()?;
                let rsv = self.terms.signature.as_ref().try_into();
                let input = token::transfer_by_key(message, rsv.map_err(|_| malformed())?);
                Ok((Account::Ordinary, asset.into(), input))
            }
            None => by_contract(&self.terms.signature),
            Some(wrapped) if !code.is_empty() => by_contract(&wrapped.signature),
            Some(wrapped) if !wrapped.allowed() => Err(Reason::new(
                "eip6492_factory_not_allowed",
                "the wallet is not deployed, and only Coinbase's factories are called: \
                 deploy it first",
            )),
            Some(_) if self.terms.value < self.policy.min_deploy_price => Err(Reason::new(
                "invalid_exact_evm_payload_undeployed_smart_wallet",
                format!(
                    "the wallet is not deployed, and payments below {} atomic units do not deploy \
                     it: deploy it first",
                    self.policy.min_deploy_price
                ),
            )),
            Some(wrapped) => {
                let call = token::transfer_by_contract(message, &wrapped.signature);
                let input = wrapped.deploy_and_call(asset, &call, 0);
                Ok((Account::Undeployed, TxKind::Create, input))
            }
        }
    }

    fn too_much_gas(&self, limit: u64) -> Reason {
        let message = format!("the account's contract needs more than {limit} units of gas");
        Reason::new(code::SIMULATION_FAILED, message)
    }

    /// Whether the gas beyond an ordinary transfer costs too much of the payment.
    fn too_dear(&self, gas: u64) -> bool {
        let extra = U256::from(gas.saturating_sub(SETTLEMENT_GAS));
        let base: u128 = self.head.base_fee_per_gas.to();
        let fee = U256::from(base.saturating_add(self.fees.priority_fee));
        let coin = U256::from(1_000_000_000_000_000_000_u64);
        let cost = extra * fee * U256::from(self.policy.coin_price) / coin;
        cost * U256::from(SHARE_OF_PRICE) > U256::from(self.terms.value)
    }

    /// Why the token refused, with the SDKs' code if there is one.
    async fn diagnose(
        &self,
        account: Account,
        call: SimulatedCall,
        error: &RpcError,
    ) -> Result<TransferCheck, RpcError> {
        let (rpc, authorization) = (self.rpc, &self.terms.authorization);
        let (asset, block) = (self.terms.network.usdc.address, self.head.number());
        let (spent, balance, blocks) = tokio::try_join!(
            token::authorization_spent(rpc, self.terms, block),
            token::balance(rpc, asset, authorization.from, block),
            token::blocks(rpc, self.terms, block),
        )?;
        if blocks.paused {
            return Ok(TransferCheck::NotReady(
                "the token is paused by its issuer".into(),
            ));
        }
        if blocks.payee {
            let why = "the token's issuer has blocked the account that is to be paid";
            return Ok(TransferCheck::NotReady(why.into()));
        }
        let bad = |code, message: &str| Ok(TransferCheck::Bad(Reason::new(code, message)));
        if spent {
            return bad(code::NONCE_USED, "the authorization was used or taken back");
        }
        if balance < authorization.value {
            return bad(code::BALANCE, "the payer has too little");
        }
        if blocks.payer {
            let why = "the token's issuer has blocked the payer's account";
            return bad(code::SIMULATION_FAILED, why);
        }
        if let Err(reason) = self.terms.window(self.head.timestamp.to()) {
            return Ok(TransferCheck::Bad(reason));
        }
        if account == Account::Ordinary {
            return Ok(TransferCheck::Bad(Reason::new(
                code::SIMULATION_FAILED,
                error.to_string(),
            )));
        }
        let limit = self.limit(account);
        let generous = SimulatedCall {
            gas: Some(U64::from(limit.saturating_mul(RETRY_GAS_FACTOR))),
            // This run must not depend on the gas key's balance.
            from: None,
            fees: None,
            ..call
        };
        let enough = match rpc.call(&generous).await {
            Ok(_) => true,
            Err(error) if error.failed_in_evm() => false,
            Err(error) => return Err(error),
        };
        Ok(TransferCheck::Bad(if enough {
            self.too_much_gas(limit)
        } else {
            Reason::new(
                code::SIGNATURE,
                "the account's contract does not take the signature",
            )
        }))
    }
}
