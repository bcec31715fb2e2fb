//! What makes one installation different from another one: an id, and a key from which secrets are
//! derived that must survive a crash without being stored.

use service::crypto;

use crate::{
    ids::{LeaseId, PaymentId},
    store::Store,
};

/// Tells this installation's containers from those of another one on the same Proxmox.
#[derive(Clone)]
pub struct Installation {
    /// The id, which is in the marker of each container.
    pub id: String,
    /// The key from which made passwords are derived, so that they survive a crash without being
    /// stored.
    key: String,
}

impl Installation {
    /// Reads it from the store, and makes it at the first start.
    ///
    /// # Errors
    /// The store failed.
    pub async fn load(store: &Store) -> anyhow::Result<Self> {
        Ok(Self {
            id: store
                .installation_value_or("id", crypto::random_hex(8))
                .await?,
            key: store
                .installation_value_or("key", crypto::random_hex(32))
                .await?,
        })
    }

    /// The ticket that a payment for a console buys, which is stored as a hash only: 256 bits.
    pub fn console_ticket(&self, payment_id: &PaymentId) -> String {
        let text = format!("console:{payment_id}");
        crypto::hex(&crypto::hmac_sign(self.key.as_bytes(), text.as_bytes()))
    }

    /// The SSH key of the service for a lease's container. It is stored nowhere, and ends with the
    /// lease.
    pub fn guest_key(&self, lease_id: &LeaseId) -> ::guest::GuestKey {
        ::guest::GuestKey::derive(self.key.as_bytes(), lease_id.as_str())
    }

    /// The password that is made for a lease whose customer gave none: 20 letters and digits, about
    /// 115 bits.
    pub fn password(&self, lease_id: &LeaseId) -> String {
        const ALPHABET: &[u8] = b"abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
        let tag = crypto::hmac_sign(
            self.key.as_bytes(),
            format!("password:{lease_id}").as_bytes(),
        );
        tag.iter()
            .take(20)
            .map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]))
            .collect()
    }
}
