//! A wallet for trying things out. Its key is in this browser's storage, so it signs without
//! asking, and only on test networks.

use alloy::{
    primitives::hex,
    signers::{SignerSync as _, local::PrivateKeySigner},
};
use api_types::Secret;
use leptos::prelude::*;
use x402::{eip3009, network::Network, wire::exact::Authorization};

use super::WalletError;
use crate::{
    browser::storage,
    lazy::{LazyChunk, LazyTable},
};

/// The address of the stored key, from the chunk that can compute it.
pub(crate) static BURNER_ADDRESS: LazyTable<fn() -> Option<String>> =
    LazyTable::new(LazyChunk::Pay);

pub(super) const STORED_AT: &str = "infra402.burner";

/// The burner wallet.
#[derive(Clone, Copy, Debug)]
pub struct Burner {
    address: RwSignal<Option<String>>,
    allowed: RwSignal<bool>,
}

impl Burner {
    /// Whether an earlier visit has stored a key. [`LazyChunk::Pay`] must then be loaded before
    /// [`Self::load`].
    pub fn is_stored() -> bool {
        storage::read(STORED_AT).is_some()
    }

    /// The wallet of the stored key, or none. It is allowed where the network is known to be a test
    /// network.
    pub fn load(network: Option<&Network>) -> Self {
        Self {
            address: RwSignal::new(BURNER_ADDRESS.get().and_then(|stored| stored())),
            allowed: RwSignal::new(network.is_some_and(|network| network.testnet)),
        }
    }

    /// The address of its key, once there is one.
    pub fn address(&self) -> Signal<Option<String>> {
        self.address.into()
    }

    /// Whether it may be used here.
    pub fn allowed(&self) -> Signal<bool> {
        self.allowed.into()
    }

    /// Allows the wallet where the deployment's payments are simulated or on a test network.
    pub fn set_allowed(&self, network: Option<&Network>, simulated: bool) {
        self.allowed
            .set(simulated || network.is_some_and(|network| network.testnet));
    }

    /// Creates a key, unless there is one, and returns its address.
    ///
    /// # Errors
    /// The network has real money, or the browser does not store the key.
    pub fn create(&self) -> Result<String, WalletError> {
        if let Some(signer) = signer() {
            return Ok(address(&signer));
        }
        if !self.allowed.get_untracked() {
            return Err(WalletError::NotAllowed);
        }
        self.store(&PrivateKeySigner::random())
    }

    /// The key, for the customer to store elsewhere.
    pub fn export(&self) -> Option<Secret> {
        let key = signer()?.to_bytes();
        Some(Secret::new(hex::encode_prefixed(key)))
    }

    /// Imports a key, in place of the stored one, and returns its address.
    ///
    /// # Errors
    /// The text is not a key, or the browser does not store it.
    pub fn import(&self, key: &str) -> Result<String, WalletError> {
        self.store(&parse(key)?)
    }

    /// Whether importing this key would delete another one.
    ///
    /// # Errors
    /// The text is not a key.
    pub fn replaces(&self, key: &str) -> Result<bool, WalletError> {
        let new = parse(key)?;
        Ok(signer().is_some_and(|old| old.address() != new.address()))
    }

    /// Deletes the key. What its account holds is then lost.
    pub fn delete(&self) {
        storage::remove(STORED_AT);
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

    /// Reads the key again, which another tab may have changed.
    pub(super) fn reload(&self) {
        self.address.set(stored_address());
    }

    /// Stores a key. Its address is shown only once the key is stored, so that no money is sent to
    /// an account whose key is lost.
    fn store(&self, signer: &PrivateKeySigner) -> Result<String, WalletError> {
        let address = address(signer);
        let stored = storage::write(STORED_AT, &hex::encode(signer.to_bytes()));
        if !stored || stored_address().as_ref() != Some(&address) {
            return Err(WalletError::NotStored);
        }
        self.address.set(Some(address.clone()));
        Ok(address)
    }
}

/// Reads a key as people write it, with or without `0x`.
fn parse(key: &str) -> Result<PrivateKeySigner, WalletError> {
    let key = key.trim();
    let digits = key.strip_prefix("0x").unwrap_or(key);
    digits.parse().map_err(|_| WalletError::BadKey)
}

/// The address of the stored key.
pub(crate) fn stored_address() -> Option<String> {
    signer().map(|signer| address(&signer))
}

/// The stored key. It is read for each use, so that a deletion in another tab takes effect at once.
fn signer() -> Option<PrivateKeySigner> {
    storage::read(STORED_AT)?.parse().ok()
}

fn address(signer: &PrivateKeySigner) -> String {
    signer.address().to_checksum(None)
}
