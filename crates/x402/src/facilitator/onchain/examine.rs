//! Whether the token would carry out the authorization now, and if not, why.

use alloy::primitives::{Address, Bytes, hex};

use super::{
    rpc::{Rpc, RpcError},
    token,
};
use crate::{
    facilitator::terms::Terms,
    reason::{Reason, code},
};

/// A signature wrapped for a wallet that is not deployed yet (ERC-6492) ends with this.
const ERC6492_MAGIC: [u8; 32] =
    hex!("6492649264926492649264926492649264926492649264926492649264926492");

/// What the node makes of the transfer.
pub(super) enum Finding {
    /// It would be carried out, for this much gas.
    Good {
        /// Units of gas, as the node found by running it.
        gas: u64,
    },
    /// It would revert.
    Bad(Reason),
}

/// Lets the node run the transfer without doing it.
pub(super) async fn examine(
    rpc: &Rpc,
    terms: &Terms,
    sender: Address,
    call: &Bytes,
) -> Result<Finding, RpcError> {
    if terms.signature.ends_with(&ERC6492_MAGIC) {
        // Its factory would be called with our gas, and whatever a stranger wrote into it.
        return Ok(Finding::Bad(Reason::new(
            "eip6492_factory_not_allowed",
            "wallets that are not deployed yet are not served",
        )));
    }
    let asset = terms.network.usdc.address;
    match rpc.estimate_gas(sender, asset, call).await {
        Ok(gas) => Ok(Finding::Good { gas }),
        Err(error) if error.reverted() => diagnose(rpc, terms, &error).await.map(Finding::Bad),
        Err(error) => Err(error),
    }
}

/// Why the token refused, in the SDKs' words.
async fn diagnose(rpc: &Rpc, terms: &Terms, error: &RpcError) -> Result<Reason, RpcError> {
    let (asset, from) = (terms.network.usdc.address, terms.authorization.from);
    let block = rpc.latest_block().await?.number();
    let (spent, balance, contract) = tokio::try_join!(
        token::authorization_spent(rpc, terms, block),
        token::balance(rpc, asset, from, block),
        rpc.code(from),
    )?;
    Ok(if spent {
        Reason::new(code::NONCE_USED, "the authorization was used or taken back")
    } else if balance < terms.authorization.value {
        Reason::new(code::BALANCE, "the payer has too little")
    } else if contract.is_empty() && terms.signed_by_payer().is_err() {
        Reason::new(code::SIGNATURE, "the payer did not sign this")
    } else {
        Reason::new(code::SIMULATION_FAILED, error.to_string())
    })
}
