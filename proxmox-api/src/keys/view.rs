//! Keys as their owners see them, and as they are asked for.

use api_types::{FieldError, KeyChange, KeyRequest, KeyScope, KeyView, Usdc, keys::MAX_KEY_NAME};

use super::format::{self, KeyDigits};
use crate::{
    ids::Wallet,
    store::{ApiKey, Credit, KeyEdit, NewApiKey},
    timestamp::timestamp,
};

/// What its owner sees of a key.
pub fn show(key: &ApiKey, credit: Credit, now: i64) -> KeyView {
    let limits = key.limits_left(now);
    let least = limits.into_iter().map(|(_, left)| left).min();
    let available = credit.available();
    KeyView {
        id: key.key_id.to_string(),
        prefix: format!("{}{}", format::prefix(key.test), key.key_id),
        name: key.name.clone(),
        scopes: key.scopes.clone(),
        lease_id: key.lease_id.as_ref().map(ToString::to_string),
        limit_total: key.limit_total.map(Usdc),
        limit_day: key.limit_day.map(Usdc),
        limit_call: key.limit_call.map(Usdc),
        spent: Usdc(key.spent),
        spent_today: Usdc(key.spent_today(now)),
        held: Usdc(key.held),
        remaining: Usdc(least.map_or(available, |least| least.min(available))),
        disabled: key.disabled,
        created_at: timestamp(key.created_at),
        expires_at: key.expires_at.map(timestamp),
        last_used_at: key.last_used_at.map(timestamp),
        revoked_at: key.revoked_at.map(timestamp),
    }
}

/// Checks what is asked for; `prefix` comes before the names of the fields.
///
/// # Errors
/// Every field that cannot be.
pub fn check(request: &KeyRequest, prefix: &str, now: i64) -> Result<(), Vec<FieldError>> {
    let mut found = Vec::new();
    let mut refuse = |field: &str, message: &str| {
        found.push(FieldError::new(format!("{prefix}{field}"), message));
    };
    if !is_name(&request.name) {
        refuse("name", NAME);
    }
    if request.scopes.as_ref().is_some_and(Vec::is_empty) {
        refuse("scopes", "must not be empty");
    }
    let limits = [
        ("limitTotal", request.limit_total),
        ("limitDay", request.limit_day),
        ("limitCall", request.limit_call),
    ];
    for (field, limit) in limits {
        if limit.is_some_and(|limit| i64::try_from(limit.0).is_err()) {
            refuse(field, TOO_LARGE);
        }
    }
    let end = request
        .expires_at
        .map(|at| i64::try_from(at.0).unwrap_or(i64::MAX));
    if end.is_some_and(|end| end <= now || end == i64::MAX) {
        refuse("expiresAt", "has to be in the future");
    }
    if found.is_empty() { Ok(()) } else { Err(found) }
}

/// Checks a change.
///
/// # Errors
/// Every field that cannot be.
pub fn check_change(change: &KeyChange) -> Result<(), Vec<FieldError>> {
    let mut found = Vec::new();
    if change.name.as_deref().is_some_and(|name| !is_name(name)) {
        found.push(FieldError::new("name", NAME));
    }
    let limits = [
        ("limitTotal", change.limit_total),
        ("limitDay", change.limit_day),
        ("limitCall", change.limit_call),
    ];
    for (field, limit) in limits {
        if limit
            .flatten()
            .is_some_and(|limit| i64::try_from(limit.0).is_err())
        {
            found.push(FieldError::new(field, TOO_LARGE));
        }
    }
    if found.is_empty() { Ok(()) } else { Err(found) }
}

const NAME: &str = "has to be at most 64 characters without control characters";
const TOO_LARGE: &str = "is larger than any payment";

fn is_name(name: &str) -> bool {
    name.chars().count() <= MAX_KEY_NAME && !name.chars().any(char::is_control)
}

/// The key to be stored. A request that was read is checked already.
pub fn new_key(request: &KeyRequest, digits: &KeyDigits, wallet: &Wallet, test: bool) -> NewApiKey {
    let mut scopes = request
        .scopes
        .clone()
        .unwrap_or_else(KeyScope::of_a_new_key);
    scopes.sort_unstable();
    scopes.dedup();
    NewApiKey {
        key_id: digits.id(),
        key_hash: digits.hash(),
        test,
        wallet: wallet.clone(),
        name: request.name.clone(),
        scopes,
        lease_id: request.lease_id.as_deref().map(Into::into),
        limit_total: request.limit_total.map(|limit| limit.0),
        limit_day: request.limit_day.map(|limit| limit.0),
        limit_call: request.limit_call.map(|limit| limit.0),
        expires_at: request.expires_at.and_then(|at| i64::try_from(at.0).ok()),
    }
}

/// What is changed of a key.
pub fn edit(change: KeyChange) -> KeyEdit {
    let limit = |limit: Option<Option<Usdc>>| limit.map(|limit| limit.map(|limit| limit.0));
    KeyEdit {
        name: change.name,
        limit_total: limit(change.limit_total),
        limit_day: limit(change.limit_day),
        limit_call: limit(change.limit_call),
        disabled: change.disabled,
    }
}
