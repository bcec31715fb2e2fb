//! Purchases whose answer did not come yet, each in a file with its idempotency key. The file is
//! written before the payment is sent and removed once its answer is there. A process holds a lock
//! on its own; the next one that wants the same finds a file without a lock after a crash, and asks
//! for that purchase again by its key in place of buying.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use api_types::{Secret, Usdc};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;
use x402::purchase::Chosen;

use crate::state_files;

/// The service keeps its answers for a day; afterwards the same key would say no more than
/// `infra402 payments` does.
const KEPT_SECONDS: u64 = 24 * 60 * 60;

/// The folder of the files.
#[derive(Debug)]
pub struct PendingPurchases {
    folder: PathBuf,
}

/// A purchase that was sent, or is about to be. It is this process's for as long as it exists.
#[derive(Debug)]
pub struct PendingPurchase {
    /// What the file says.
    pub record: PurchaseRecord,
    path: PathBuf,
    /// Holds the lock.
    _file: File,
}

/// The content of a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PurchaseRecord {
    /// The API.
    pub api: String,
    /// The request, for people: method and path.
    pub request: String,
    /// The idempotency key, a secret: it gets the answer.
    #[serde(serialize_with = "secret::serialize_exposed")]
    pub key: Secret,
    /// When it was begun, Unix seconds.
    pub begun_at: u64,
    /// What was agreed to then.
    pub terms: PurchaseTerms,
}

/// What is paid, to whom and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PurchaseTerms {
    /// The price.
    pub amount: Usdc,
    /// The network, by its CAIP-2 id.
    pub network: String,
    /// The payee.
    pub pay_to: String,
}

impl PurchaseTerms {
    /// Those of a way to pay.
    pub fn of(chosen: &Chosen) -> Self {
        Self {
            amount: Usdc(chosen.amount),
            network: chosen.network.caip2.to_owned(),
            pay_to: chosen.pay_to.to_string(),
        }
    }

    /// Whether who agreed to these agreed to the others, too.
    pub fn cover(&self, others: &Self) -> bool {
        let same = (&self.network, &self.pay_to) == (&others.network, &others.pay_to);
        same && others.amount <= self.amount
    }
}

impl PendingPurchases {
    /// The files below this state folder.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open(state: &Path) -> io::Result<Self> {
        let folder = state_files::folder(state, "purchases")?;
        Ok(Self { folder })
    }

    /// The purchase of the same that was interrupted, if there is one; the oldest of several.
    /// Purchases of running processes are left to them.
    pub fn resume(&self, fingerprint: &str, now: u64) -> Option<PendingPurchase> {
        let entries = fs::read_dir(&self.folder).ok()?;
        let paths = entries.flatten().map(|entry| entry.path()).filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with(fingerprint) && name.ends_with(".json"))
        });
        let mut found: Vec<_> = paths
            .filter_map(|path| taken(path).ok().flatten())
            .collect();
        found.retain(|purchase| {
            let kept = now < purchase.record.begun_at.saturating_add(KEPT_SECONDS);
            if !kept {
                let _ = fs::remove_file(&purchase.path);
            }
            kept
        });
        found.sort_by_key(|purchase| purchase.record.begun_at);
        found.into_iter().next()
    }

    /// Stores a purchase before it is sent.
    ///
    /// # Errors
    /// The file cannot be written; then nothing may be paid.
    pub fn begin(&self, fingerprint: &str, record: PurchaseRecord) -> io::Result<PendingPurchase> {
        // It has its lock before it has a name under which another process finds it.
        let mut temporary = NamedTempFile::new_in(&self.folder)?;
        temporary.as_file().try_lock()?;
        temporary.write_all(&serde_json::to_vec(&record)?)?;
        temporary.as_file().sync_all()?;
        let own = state_files::fingerprint(&[record.key.expose()]);
        let path = self
            .folder
            .join(format!("{fingerprint}-{}.json", &own[..8]));
        let file = temporary.persist(&path)?;
        File::open(&self.folder)?.sync_all()?;
        Ok(PendingPurchase {
            record,
            path,
            _file: file,
        })
    }
}

impl PendingPurchase {
    /// Its answer has come.
    pub fn answered(self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn taken(path: PathBuf) -> io::Result<Option<PendingPurchase>> {
    let mut file = File::open(&path)?;
    // Without a link its process has removed it since it was opened here: it is no purchase.
    if file.try_lock().is_err() || file.metadata()?.nlink() == 0 {
        return Ok(None);
    }
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    let record = serde_json::from_slice(&text).ok();
    Ok(record.map(|record| PendingPurchase {
        record,
        path,
        _file: file,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(amount: u64) -> PurchaseTerms {
        PurchaseTerms {
            amount: Usdc(amount),
            network: "eip155:84532".to_owned(),
            pay_to: "0x01".to_owned(),
        }
    }

    fn record(key: &str, begun_at: u64) -> PurchaseRecord {
        PurchaseRecord {
            api: "http://a".to_owned(),
            request: "POST /lease/container".to_owned(),
            key: key.into(),
            begun_at,
            terms: terms(10),
        }
    }

    #[test]
    fn an_interrupted_purchase_is_found_once_and_a_running_one_is_not() {
        let state = tempfile::tempdir().unwrap();
        let purchases = PendingPurchases::open(state.path()).unwrap();
        let running = purchases.begin("f1", record("key-1", 100)).unwrap();
        assert!(purchases.resume("f1", 200).is_none(), "it is being bought");
        drop(running);
        assert!(
            purchases.resume("f2", 200).is_none(),
            "it is something else"
        );
        let resumed = purchases.resume("f1", 200).unwrap();
        assert_eq!(resumed.record.key.expose(), "key-1");
        assert!(
            purchases.resume("f1", 200).is_none(),
            "it is being asked for"
        );
        resumed.answered();
        assert!(purchases.resume("f1", 200).is_none());
    }

    #[test]
    fn agreed_terms_cover_a_lower_price_and_no_other_payee_or_network() {
        assert!(terms(10).cover(&terms(10)) && terms(10).cover(&terms(9)));
        for others in [
            terms(11),
            PurchaseTerms {
                network: "eip155:8453".to_owned(),
                ..terms(10)
            },
            PurchaseTerms {
                pay_to: "0x02".to_owned(),
                ..terms(10)
            },
        ] {
            assert!(!terms(10).cover(&others), "{others:?}");
        }
    }

    #[test]
    fn a_purchase_is_forgotten_after_a_day() {
        let state = tempfile::tempdir().unwrap();
        let purchases = PendingPurchases::open(state.path()).unwrap();
        drop(purchases.begin("f1", record("key-1", 100)).unwrap());
        assert!(purchases.resume("f1", 99 + KEPT_SECONDS).is_some());
        assert!(purchases.resume("f1", 100 + KEPT_SECONDS).is_none());
        assert_eq!(fs::read_dir(&purchases.folder).unwrap().count(), 0);
    }

    #[test]
    fn keys_are_readable_by_their_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let state = tempfile::tempdir().unwrap();
        let purchases = PendingPurchases::open(&state.path().join("new")).unwrap();
        let purchase = purchases.begin("f1", record("key-1", 100)).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&purchase.path), 0o600);
        assert_eq!(mode(&purchases.folder), 0o700);
    }
}
