//! A wallet for trying things out: its key is in this browser's storage, so it signs without asking, and only for money that is
//! play money.

use alloy::{
    primitives::hex,
    signers::{SignerSync as _, local::PrivateKeySigner},
};
use api_types::Secret;
use leptos::prelude::*;
use x402::{eip3009, network::Network, wire::exact::Authorization};

use super::{PURSE, WalletError};
use crate::engine::storage;

pub(super) const KEY: &str = "infra402.burner";

/// The burner wallet.
#[derive(Clone, Copy, Debug)]
pub struct Burner {
    address: RwSignal<Option<String>>,
    allowed: RwSignal<bool>,
}

impl Burner {
    /// Whether an earlier visit has left one. Then [`PURSE`] has to be here before [`Self::load`].
    pub fn is_kept() -> bool {
        storage::read(KEY).is_some()
    }

    /// The one that an earlier visit has left, or none. Allowed where the network that is paid on is known to be for tests.
    pub fn load(network: Option<&Network>) -> Self {
        Self {
            address: RwSignal::new(PURSE.here().and_then(|purse| (purse.burner)())),
            allowed: RwSignal::new(network.is_some_and(|network| network.testnet)),
        }
    }

    /// Its address, once it is made.
    pub fn address(&self) -> Signal<Option<String>> {
        self.address.into()
    }

    /// Whether it may be used here.
    pub fn allowed(&self) -> Signal<bool> {
        self.allowed.into()
    }

    /// The deployment has said what it is paid in.
    pub fn allow(&self, network: Option<&Network>, simulated: bool) {
        self.allowed
            .set(simulated || network.is_some_and(|network| network.testnet));
    }

    /// Makes a new key, unless there is one.
    ///
    /// # Errors
    /// Not for a network with real money, nor where the browser does not keep it.
    pub fn make(&self) -> Result<String, WalletError> {
        if let Some(signer) = signer() {
            return Ok(address(&signer));
        }
        if !self.allowed.get_untracked() {
            return Err(WalletError::NotAllowed);
        }
        self.keep(&PrivateKeySigner::random())
    }

    /// The key, to be kept somewhere else.
    pub fn export(&self) -> Option<Secret> {
        let key = signer()?.to_bytes();
        Some(Secret::new(hex::encode_prefixed(key)))
    }

    /// Takes a key that was exported before. The one that was here is gone.
    ///
    /// # Errors
    /// It is none, or the browser does not keep it.
    pub fn import(&self, key: &str) -> Result<String, WalletError> {
        self.keep(&read(key)?)
    }

    /// Whether another key than this one is here, which taking it would end.
    ///
    /// # Errors
    /// It is none.
    pub fn replaces(&self, key: &str) -> Result<bool, WalletError> {
        let new = read(key)?;
        Ok(signer().is_some_and(|old| old.address() != new.address()))
    }

    /// Forgets the key, and with it what the account holds.
    pub fn wipe(&self) {
        storage::forget(KEY);
        self.address.set(None);
    }

    /// Signs a payment.
    ///
    /// # Errors
    /// There is no key, or the network's money is real.
    pub fn sign(
        &self,
        network: &Network,
        authorization: &Authorization,
    ) -> Result<String, WalletError> {
        if !network.testnet {
            return Err(WalletError::NotAllowed);
        }
        let signer = signer().ok_or(WalletError::NoWallet)?;
        eip3009::sign(&signer, network, &network.usdc, authorization)
            .map_err(|_| WalletError::Failed("the key could not sign".to_owned()))
    }

    /// Signs a text (EIP-191).
    ///
    /// # Errors
    /// There is no key.
    pub fn sign_text(&self, text: &str) -> Result<String, WalletError> {
        let signer = signer().ok_or(WalletError::NoWallet)?;
        let signature = signer
            .sign_message_sync(text.as_bytes())
            .map_err(|_| WalletError::Failed("the key could not sign".to_owned()))?;
        Ok(hex::encode_prefixed(signature.as_bytes()))
    }

    /// Another tab may have changed the key.
    pub(super) fn read_again(&self) {
        self.address.set(stored());
    }

    /// Keeps a key; its address is shown only once it is kept, so that nobody fills an account whose key is nowhere.
    fn keep(&self, signer: &PrivateKeySigner) -> Result<String, WalletError> {
        let address = address(signer);
        let kept = storage::write(KEY, &hex::encode(signer.to_bytes()));
        if !kept || stored().as_ref() != Some(&address) {
            return Err(WalletError::NotKept);
        }
        self.address.set(Some(address.clone()));
        Ok(address)
    }
}

/// A key as people write it.
fn read(key: &str) -> Result<PrivateKeySigner, WalletError> {
    let key = key.trim();
    let digits = key.strip_prefix("0x").unwrap_or(key);
    digits.parse().map_err(|_| WalletError::BadKey)
}

/// The address of the stored key.
pub(super) fn stored() -> Option<String> {
    signer().map(|signer| address(&signer))
}

/// The stored key. It is read for each use, so that a wipe in another tab counts at once.
fn signer() -> Option<PrivateKeySigner> {
    storage::read(KEY)?.parse().ok()
}

fn address(signer: &PrivateKeySigner) -> String {
    signer.address().to_checksum(None)
}
