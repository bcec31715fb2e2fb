//! API keys, which are known by the hash of their secret digits only.

use api_types::KeyScope;

use super::{
    super::{
        Store, StoreError, cells,
        change_lock::ChangeLock,
        holds::{USE_INTERVAL, day_of},
        signed,
        sql::{Row, owned_values},
    },
    Db, values,
};
use crate::ids::{KeyId, LeaseId, Wallet};

/// Which limit of a key a call exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyLimit {
    /// What it may spend in all.
    Total,
    /// What it may spend in a day of UTC.
    Day,
    /// What a single call may cost.
    Call,
}

/// A key that is about to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct NewApiKey {
    pub key_id: KeyId,
    /// SHA-256 of its digits.
    pub key_hash: String,
    /// Whether it is of a test network or the demo.
    pub test: bool,
    pub wallet: Wallet,
    pub name: String,
    pub scopes: Vec<KeyScope>,
    /// The only lease that it is good for.
    pub lease_id: Option<LeaseId>,
    /// What it may spend in all, in a day of UTC and in one call, in atomic units.
    pub limit_total: Option<u64>,
    pub limit_day: Option<u64>,
    pub limit_call: Option<u64>,
    /// Unix seconds.
    pub expires_at: Option<i64>,
}

/// A key as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ApiKey {
    pub key_id: KeyId,
    /// Whether it is of a test network or the demo.
    pub test: bool,
    pub wallet: Wallet,
    pub name: String,
    pub scopes: Vec<KeyScope>,
    pub lease_id: Option<LeaseId>,
    pub limit_total: Option<u64>,
    pub limit_day: Option<u64>,
    pub limit_call: Option<u64>,
    /// What it has spent, and holds for calls that are not over, in atomic units.
    pub spent: u64,
    pub held: u64,
    /// The day of Unix time that it spent last in, and what it spent and holds of that day.
    pub day: i64,
    pub day_spent: u64,
    pub disabled: bool,
    pub created_at: i64,
    pub expires_at: Option<i64>,
    pub last_used_at: Option<i64>,
    pub revoked_at: Option<i64>,
}

/// What its owner changes of a key; `None` leaves it as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct KeyEdit {
    pub name: Option<String>,
    pub limit_total: Option<Option<u64>>,
    pub limit_day: Option<Option<u64>>,
    pub limit_call: Option<Option<u64>>,
    pub disabled: Option<bool>,
}

impl ApiKey {
    /// What it has spent today, calls that are not over included.
    pub fn spent_today(&self, now: i64) -> u64 {
        // A clock that was set back goes on counting for the later day.
        if self.day < day_of(now) {
            0
        } else {
            self.day_spent
        }
    }

    /// What each of its limits leaves.
    pub fn limits_left(&self, now: i64) -> Vec<(KeyLimit, u64)> {
        let used = self.spent.saturating_add(self.held);
        let today = self.spent_today(now);
        let limits = [
            (KeyLimit::Call, self.limit_call, 0),
            (KeyLimit::Total, self.limit_total, used),
            (KeyLimit::Day, self.limit_day, today),
        ];
        let left = limits.into_iter();
        left.filter_map(|(limit, most, used)| Some((limit, most?.saturating_sub(used))))
            .collect()
    }

    /// Whether it is known to be used at `now`, to the minute.
    pub fn is_marked_used(&self, now: i64) -> bool {
        self.last_used_at.is_some_and(|at| at > now - USE_INTERVAL)
    }
}

const COLUMNS: &str =
    "key_id, test, wallet, name, scopes, lease_id, limit_total, limit_day, limit_call, spent, held,
    day, day_spent, disabled, created_at, expires_at, last_used_at, revoked_at";

fn read_key(row: &Row<'_>) -> Result<ApiKey, StoreError> {
    let (key_id, scopes): (String, String) = (row.get("key_id")?, row.get("scopes")?);
    let scopes = scopes.split_whitespace().map(KeyScope::parse);
    let (test, disabled): (i64, i64) = (row.get("test")?, row.get("disabled")?);
    Ok(ApiKey {
        key_id: key_id.into(),
        test: test == 1,
        wallet: row.get("wallet")?,
        name: row.get("name")?,
        // A scope that this release does not know allows nothing.
        scopes: scopes.flatten().collect(),
        lease_id: row.get("lease_id")?,
        limit_total: row.get("limit_total")?,
        limit_day: row.get("limit_day")?,
        limit_call: row.get("limit_call")?,
        spent: row.get("spent")?,
        held: row.get("held")?,
        day: row.get("day")?,
        day_spent: row.get("day_spent")?,
        disabled: disabled == 1,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
        last_used_at: row.get("last_used_at")?,
        revoked_at: row.get("revoked_at")?,
    })
}

/// A key, locked until the change is committed.
pub(super) fn key_to_change(db: Db<'_>, id: &KeyId) -> Result<Option<ApiKey>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM api_keys WHERE key_id = ?1{}",
        db.and_hold()
    );
    db.optional(&sql, values![id], read_key)
}

/// Stores a new key. False if its id is taken.
pub(super) fn insert(db: Db<'_>, new: &NewApiKey, now: i64) -> Result<bool, StoreError> {
    let scopes: Vec<&str> = new.scopes.iter().map(|scope| scope.as_str()).collect();
    let row = cells! {
        "key_id": new.key_id,
        "key_hash": new.key_hash,
        "test": i64::from(new.test),
        "wallet": new.wallet,
        "name": new.name,
        "scopes": scopes.join(" "),
        "lease_id": new.lease_id,
        "limit_total": new.limit_total.map(signed).transpose()?,
        "limit_day": new.limit_day.map(signed).transpose()?,
        "limit_call": new.limit_call.map(signed).transpose()?,
        "spent": 0_i64,
        "held": 0_i64,
        "day": day_of(now),
        "day_spent": 0_i64,
        "disabled": 0_i64,
        "created_at": now,
        "expires_at": new.expires_at,
    };
    Ok(db.insert("api_keys", &row, "ON CONFLICT DO NOTHING")? == 1)
}

impl Store {
    /// Stores a new key, unless the wallet has `most` that are good already, or its id is taken.
    ///
    /// # Errors
    /// A limit is out of range, or the database failed.
    pub async fn create_key(
        &self,
        new: NewApiKey,
        most: u32,
        now: i64,
    ) -> Result<bool, StoreError> {
        let lock = ChangeLock::Wallet(new.wallet.to_string());
        self.write(lock, move |db| {
            let sql =
                "SELECT count(*) AS keys FROM api_keys WHERE wallet = ?1 AND revoked_at IS NULL";
            let keys: u32 = db.one(sql, values![new.wallet], |row| row.get("keys"))?;
            Ok(keys < most && insert(db, &new, now)?)
        })
        .await
    }

    /// The key with this hash, whatever became of it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn key_by_hash(&self, key_hash: &str) -> Result<Option<ApiKey>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM api_keys WHERE key_hash = ?1");
        let found = self.query(sql, owned_values![key_hash], read_key).await?;
        Ok(found.into_iter().next())
    }

    /// A key, whatever became of it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn key_by_id(&self, id: &KeyId) -> Result<Option<ApiKey>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM api_keys WHERE key_id = ?1");
        let found = self.query(sql, owned_values![id], read_key).await?;
        Ok(found.into_iter().next())
    }

    /// A key of a wallet.
    ///
    /// # Errors
    /// The database failed.
    pub async fn key_of(&self, wallet: &Wallet, id: &KeyId) -> Result<Option<ApiKey>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM api_keys WHERE key_id = ?1 AND wallet = ?2");
        let found = self.query(sql, owned_values![id, wallet], read_key).await?;
        Ok(found.into_iter().next())
    }

    /// The keys of a wallet, youngest first, at most 100.
    ///
    /// # Errors
    /// The database failed.
    pub async fn keys_of(&self, wallet: &Wallet) -> Result<Vec<ApiKey>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM api_keys WHERE wallet = ?1 ORDER BY created_at DESC, key_id DESC LIMIT 100"
        );
        self.query(sql, owned_values![wallet], read_key).await
    }

    /// Changes a key of a wallet that is not revoked. False if there is none.
    ///
    /// # Errors
    /// A limit is out of range, or the database failed.
    pub async fn change_key(
        &self,
        wallet: &Wallet,
        id: &KeyId,
        edit: KeyEdit,
    ) -> Result<bool, StoreError> {
        let (wallet, id) = (wallet.clone(), id.clone());
        self.write(ChangeLock::None, move |db| {
            let Some(mut key) = key_to_change(db, &id)? else {
                return Ok(false);
            };
            if key.wallet != wallet || key.revoked_at.is_some() {
                return Ok(false);
            }
            let edit = edit.clone();
            key.name = edit.name.unwrap_or(key.name);
            key.limit_total = edit.limit_total.unwrap_or(key.limit_total);
            key.limit_day = edit.limit_day.unwrap_or(key.limit_day);
            key.limit_call = edit.limit_call.unwrap_or(key.limit_call);
            key.disabled = edit.disabled.unwrap_or(key.disabled);
            db.execute(
                "UPDATE api_keys SET name = ?2, limit_total = ?3, limit_day = ?4, limit_call = ?5, disabled = ?6
                 WHERE key_id = ?1",
                values![
                    id,
                    key.name,
                    key.limit_total.map(signed).transpose()?,
                    key.limit_day.map(signed).transpose()?,
                    key.limit_call.map(signed).transpose()?,
                    i64::from(key.disabled)
                ],
            )?;
            Ok(true)
        })
        .await
    }

    /// Revokes a key of a wallet for good. False if there is none that is good.
    ///
    /// # Errors
    /// The database failed.
    pub async fn revoke_key(
        &self,
        wallet: &Wallet,
        id: &KeyId,
        now: i64,
    ) -> Result<bool, StoreError> {
        let (wallet, id) = (wallet.clone(), id.clone());
        self.write(ChangeLock::None, move |db| {
            let sql = "UPDATE api_keys SET revoked_at = ?3
                 WHERE key_id = ?1 AND wallet = ?2 AND revoked_at IS NULL";
            Ok(db.execute(sql, values![id, wallet, now])? == 1)
        })
        .await
    }

    /// Notes that a key was used.
    ///
    /// # Errors
    /// The database failed.
    pub async fn mark_key_used(&self, id: &KeyId, now: i64) -> Result<(), StoreError> {
        let id = id.clone();
        self.write(ChangeLock::None, move |db| {
            let sql = "UPDATE api_keys SET last_used_at = ?2
                 WHERE key_id = ?1 AND (last_used_at IS NULL OR last_used_at < ?2)";
            db.execute(sql, values![id, now]).map(drop)
        })
        .await
    }
}
