//! The public keys of a lease. They are stored for the jump host, and written into a marked block
//! of the container's `authorized_keys`; what its owner wrote beside the block stays.

use ::guest::{CommandRequest, CustomerKey, Guest};
use api_types::{ErrorCode, FieldError, SshKeyList, SshKeyView};
use serde_json::json;

use crate::{
    error::ApiError,
    ids::LeaseId,
    lease::guest::{connect, script},
    state::App,
    store::{Lease, SshKey, StoreError},
    timestamp::timestamp,
};

/// The most keys of a lease.
const MOST_KEYS: usize = 20;

/// Replaces the block by standard input, or removes it where that is empty. A block without its
/// end is no block: what follows may be the owner's. Written beside the file and renamed, so that
/// no login meets half of it.
const WRITE_BLOCK: &str = r#"umask 077
folder=${HOME:-/root}/.ssh file=${HOME:-/root}/.ssh/authorized_keys
begin='# --- BEGIN infra402 keys ---' end='# --- END infra402 keys ---'
mkdir -p "$folder" && touch "$file" || exit 73
file=$(readlink -f "$file") || exit 73
new=$file.infra402.$$
trap 'rm -f "$new"' EXIT
awk -v begin="$begin" -v end="$end" '
    inside && $0 == end { inside = 0; held = ""; next }
    inside { held = held $0 "\n"; next }
    $0 == begin { inside = 1; held = ""; next }
    { print }
    END { printf "%s", held }
' "$file" >"$new" || exit 73
keys=$(cat)
if [ -n "$keys" ]; then
    printf '%s\n%s\n%s\n' "$begin" "$keys" "$end" >>"$new" || exit 73
fi
chmod 600 "$new" && mv "$new" "$file" || exit 73
"#;

/// Adds a key, in the container first: a key that is stored lets its owner in.
///
/// # Errors
/// The text is no key, the lease has as many as it may have, or there is no SSH into the container.
pub async fn add(app: &App, lease: &Lease, text: &str) -> Result<SshKeyView, ApiError> {
    let key: CustomerKey = text.parse().map_err(|_| {
        let message = "has to be one line of OpenSSH public key of the type Ed25519, ECDSA or RSA";
        ApiError::invalid(vec![FieldError::new("publicKey", message)])
    })?;
    let guest = connect::ssh_only(app, lease).await?;
    let id = &lease.lease_id;
    // One change at a time, so that the block is of the keys that are stored.
    let _lock = app.ssh_keys_in_work.take(id).await?;
    let mut keys = app.store.ssh_keys(id).await?;
    let fingerprint = key.fingerprint();
    let place = keys.iter().position(|one| one.fingerprint == fingerprint);
    let added = SshKey {
        added_at: place.map_or(app.now(), |place| keys[place].added_at),
        line: key.line(),
        fingerprint,
    };
    match place {
        Some(place) => keys[place] = added.clone(),
        None if keys.len() < MOST_KEYS => keys.push(added.clone()),
        None => return Err(too_many()),
    }
    write_block(&guest, &keys).await?;
    if !app.store.add_ssh_key(id, added.clone(), MOST_KEYS).await? {
        return Err(too_many());
    }
    let data = json!({ "fingerprint": added.fingerprint, "type": key.kind() });
    app.record_event(id, "ssh_key_added", data).await;
    Ok(view(&added, &key))
}

/// Removes a key, or all of them. From then on the jump host refuses them, and connections through
/// it end; the container may have further lines for them that its owner wrote.
///
/// # Errors
/// There is no SSH into the container, or the store failed.
pub async fn remove(app: &App, lease: &Lease, fingerprint: Option<&str>) -> Result<(), ApiError> {
    let id = &lease.lease_id;
    let _lock = app.ssh_keys_in_work.take(id).await?;
    let removed = app.store.remove_ssh_keys(id, fingerprint).await?;
    app.guest_streams.changed(id);
    // Also where the container cannot be written now: the next try finds no key to remove.
    if removed > 0 {
        let data = json!({ "fingerprint": fingerprint, "number": removed });
        app.record_event(id, "ssh_key_removed", data).await;
    }
    let guest = connect::ssh_only(app, lease).await?;
    write_block(&guest, &app.store.ssh_keys(id).await?).await
}

/// The keys of a lease.
///
/// # Errors
/// The store failed.
pub async fn list(app: &App, id: &LeaseId) -> Result<SshKeyList, StoreError> {
    let keys = app.store.ssh_keys(id).await?;
    // A stored line that cannot be read any more is left out.
    let read = |key: &SshKey| Some(view(key, &key.line.parse().ok()?));
    Ok(SshKeyList {
        keys: keys.iter().filter_map(read).collect(),
    })
}

/// A key of the request for a lease, which Proxmox lays into the container: stored, so that the
/// jump host takes it too. A failure is logged; the owner can add it again.
pub async fn remember_first(app: &App, id: &LeaseId, text: &str) {
    let Ok(key) = text.parse::<CustomerKey>() else {
        return;
    };
    let stored = SshKey {
        fingerprint: key.fingerprint(),
        line: key.line(),
        added_at: app.now(),
    };
    if let Err(error) = app.store.add_ssh_key(id, stored, MOST_KEYS).await {
        tracing::error!(lease.id = id.as_str(), %error, "the SSH key of a lease cannot be stored");
    }
}

async fn write_block(guest: &Guest, keys: &[SshKey]) -> Result<(), ApiError> {
    let lines: Vec<&str> = keys.iter().map(|key| key.line.as_str()).collect();
    let request = CommandRequest {
        stdin: lines.join("\n").into_bytes(),
        ..CommandRequest::new(WRITE_BLOCK)
    };
    let outcome = script::run(guest, request).await?;
    if outcome.exit_code == 0 {
        return Ok(());
    }
    tracing::warn!(
        exit_code = outcome.exit_code,
        "the authorized_keys of a container cannot be written"
    );
    let message = "The container's /root/.ssh/authorized_keys cannot be written.";
    Err(ApiError::new(ErrorCode::LeaseConflict, message))
}

fn too_many() -> ApiError {
    let message = format!("A lease has at most {MOST_KEYS} SSH keys.");
    ApiError::new(ErrorCode::LeaseConflict, message).advise("remove one of them")
}

fn view(key: &SshKey, read: &CustomerKey) -> SshKeyView {
    SshKeyView {
        fingerprint: key.fingerprint.clone(),
        kind: read.kind(),
        comment: read.comment().to_owned(),
        added_at: timestamp(key.added_at),
        jump_host: !read.is_rsa(),
    }
}
