//! What makes one installation different from another one: an id, and a key from which secrets are
//! derived that must survive a crash without being stored.

use api_types::Secret;
use jump_host::JumpHostKey;
use service::crypto;

use crate::{
    ids::{LeaseId, PaymentId},
    store::{Store, StoreError},
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

/// The name of the key in the store; its value is empty once the key is kept elsewhere.
const KEY: &str = "key";
/// The name of the network that the credit in the store is of.
const CREDIT_NETWORK: &str = "credit_network";
/// The name of the digest of a key that is kept elsewhere.
const KEY_DIGEST: &str = "key_digest";

impl Installation {
    /// Reads it from the store, and makes it at the first start. `key` is the operator's, who keeps
    /// it out of the database: `INSTALLATION_KEY`.
    ///
    /// # Errors
    /// The store failed, or the key is missing or another one than this database was used with.
    pub async fn load(store: &Store, key: Option<&Secret>) -> anyhow::Result<Self> {
        let id = store
            .installation_value_or("id", crypto::random_hex(8))
            .await?;
        let key = match key {
            Some(key) => keep_elsewhere(store, key.expose()).await?,
            None => stored_key(store).await?,
        };
        Ok(Self { id, key })
    }

    /// Reads it from the store and changes nothing; none where no service has begun to use the store,
    /// or where the key is missing or another one.
    ///
    /// # Errors
    /// The store failed.
    pub async fn read(store: &Store, key: Option<&Secret>) -> Result<Option<Self>, StoreError> {
        let stored = store.installation_value(KEY).await?;
        let digest = store.installation_value(KEY_DIGEST).await?;
        let key = match (stored.filter(|stored| !stored.is_empty()), key) {
            (Some(stored), None) => Some(stored),
            (Some(stored), Some(key)) => (stored == key.expose()).then_some(stored),
            (None, Some(key)) => {
                (digest == Some(crypto::sha256_hex(key.expose()))).then(|| key.expose().to_owned())
            }
            (None, None) => None,
        };
        let id = store.installation_value("id").await?;
        Ok(id.zip(key).map(|(id, key)| Self { id, key }))
    }

    /// The ticket that a payment for a console buys, which is stored as a hash only: 256 bits.
    pub fn console_ticket(&self, payment_id: &PaymentId) -> String {
        let text = format!("console:{payment_id}");
        crypto::hex(&crypto::hmac_sign(self.key.as_bytes(), text.as_bytes()))
    }

    /// The tag by which a replica of this installation knows a message of another one.
    pub fn replica_tag(&self, message: &str) -> String {
        crypto::hex(&crypto::hmac_sign(&self.replica_key(), message.as_bytes()))
    }

    /// Whether a replica of this installation made the tag of a message.
    pub fn is_replica_tag(&self, message: &str, tag: &str) -> bool {
        crypto::same(self.replica_tag(message).as_bytes(), tag.as_bytes())
    }

    /// A key for these messages only.
    fn replica_key(&self) -> [u8; 32] {
        crypto::hmac_sign(self.key.as_bytes(), b"replicas")
    }

    /// The SSH key of the service for a lease's container. It is stored nowhere, and ends with the
    /// lease.
    pub fn guest_key(&self, lease_id: &LeaseId) -> ::guest::GuestKey {
        ::guest::GuestKey::derive(self.key.as_bytes(), lease_id.as_str())
    }

    /// The host key of the jump host, the same in every replica.
    pub fn jump_host_key(&self) -> JumpHostKey {
        JumpHostKey::derive(self.key.as_bytes())
    }

    /// A tag that proves that this installation made a text.
    pub fn sign(&self, text: &str) -> [u8; 32] {
        crypto::hmac_sign(self.key.as_bytes(), text.as_bytes())
    }

    /// Whether the tag is this installation's for the text; compared in constant time.
    pub fn has_signed(&self, text: &str, tag: &[u8]) -> bool {
        crypto::hmac_verify(self.key.as_bytes(), text.as_bytes(), tag)
    }

    /// An installation with this key, for tests.
    #[cfg(test)]
    pub(crate) fn in_test(key: &str) -> Self {
        let (id, key) = ("test".to_owned(), key.to_owned());
        Self { id, key }
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

/// Binds the credit in a store to a network: what was paid in on one is not spent on another.
///
/// # Errors
/// The store failed, or customers have credit of another network.
pub async fn bind_credit(store: &Store, network: &str) -> anyhow::Result<()> {
    let known = store
        .installation_value_or(CREDIT_NETWORK, network.to_owned())
        .await?;
    if known == network {
        return Ok(());
    }
    if store.credit_totals().await?.liability > 0 {
        anyhow::bail!(
            "CREDIT: customers have credit of {known} in this database, and it would become credit of \
             {network}; use another DATABASE, or set CREDIT=false"
        );
    }
    store
        .set_installation_value(CREDIT_NETWORK, network.to_owned())
        .await?;
    Ok(())
}

/// The key in the store, made at the first start.
async fn stored_key(store: &Store) -> anyhow::Result<String> {
    let key = store
        .installation_value_or(KEY, crypto::random_hex(32))
        .await?;
    if key.is_empty() {
        anyhow::bail!(
            "INSTALLATION_KEY is not set, and this database was used with one: passwords and SSH \
             keys of its leases are derived from it"
        );
    }
    Ok(key)
}

/// The operator's key, of which the store keeps a digest.
async fn keep_elsewhere(store: &Store, key: &str) -> anyhow::Result<String> {
    let digest = crypto::sha256_hex(key);
    let stored = store.installation_value(KEY).await?;
    match stored.as_deref() {
        // The first start, or the key was moved out before.
        None | Some("") => {
            let known = store
                .installation_value_or(KEY_DIGEST, digest.clone())
                .await?;
            if known != digest {
                anyhow::bail!("INSTALLATION_KEY is another key than this database was used with");
            }
            if stored.is_none() {
                store.set_installation_value(KEY, String::new()).await?;
            }
        }
        Some(known) if known == key => {
            store.set_installation_value(KEY_DIGEST, digest).await?;
            store.set_installation_value(KEY, String::new()).await?;
            tracing::info!("the key of this installation is no longer in the database");
        }
        Some(_) => anyhow::bail!(
            "INSTALLATION_KEY is another key than the one in this database, which its leases need; \
             `proxmox-api installation-key FILE` writes that one to a file"
        ),
    }
    Ok(key.to_owned())
}

/// The key that is in the store, for moving it out.
///
/// # Errors
/// The store failed, or has no key.
pub async fn key_in_store(store: &Store) -> anyhow::Result<String> {
    let stored = store.installation_value(KEY).await?;
    stored
        .filter(|key| !key.is_empty())
        .ok_or_else(|| anyhow::anyhow!("the database holds no key of the installation"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn load(store: &Store, key: Option<&str>) -> Result<String, String> {
        let key = key.map(Secret::new);
        let loaded = Installation::load(store, key.as_ref()).await;
        loaded
            .map(|installation| installation.key)
            .map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_key_moves_out_of_the_database_and_then_only_that_one_is_good() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        let first = load(&store, None).await.unwrap();
        assert_eq!(load(&store, None).await.unwrap(), first);
        let other = "x".repeat(64);
        let refused = load(&store, Some(&other)).await.unwrap_err();
        assert!(refused.contains("installation-key"), "{refused}");
        assert_eq!(key_in_store(&store).await.unwrap(), first);
        assert_eq!(load(&store, Some(&first)).await.unwrap(), first);
        assert!(key_in_store(&store).await.is_err());
        assert_eq!(load(&store, Some(&first)).await.unwrap(), first);
        for wrong in [None, Some(other.as_str())] {
            let refused = load(&store, wrong).await.unwrap_err();
            assert!(refused.contains("INSTALLATION_KEY"), "{refused}");
            assert!(!refused.contains(&first));
        }
        let read = async |key: Option<&str>| {
            let key = key.map(Secret::new);
            let read = Installation::read(&store, key.as_ref()).await.unwrap();
            read.map(|installation| installation.key)
        };
        assert_eq!(read(Some(&first)).await, Some(first));
        assert_eq!(read(None).await, None);
        assert_eq!(read(Some(&other)).await, None);
    }

    #[tokio::test]
    async fn play_money_never_becomes_credit_of_a_real_network() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        bind_credit(&store, "demo eip155:84532").await.unwrap();
        bind_credit(&store, "eip155:84532").await.unwrap();
        let top_up = crate::store::TopUp {
            payment_id: "pay_1".into(),
            wallet: "0x00000000000000000000000000000000000000aa"
                .parse()
                .unwrap(),
            amount: 1,
            network: "eip155:84532".into(),
            keys: Vec::new(),
        };
        store.top_up(top_up, 1).await.unwrap();
        bind_credit(&store, "eip155:84532").await.unwrap();
        let refused = bind_credit(&store, "eip155:8453").await.unwrap_err();
        assert!(refused.to_string().contains("CREDIT"), "{refused}");
    }

    #[tokio::test]
    async fn a_fresh_database_never_holds_a_key_that_is_given() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        let key = "k".repeat(32);
        assert_eq!(load(&store, Some(&key)).await.unwrap(), key);
        assert!(load(&store, None).await.is_err());
        assert!(key_in_store(&store).await.is_err());
    }
}
