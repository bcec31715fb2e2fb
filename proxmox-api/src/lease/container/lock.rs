//! The locks that Proxmox puts on a container while something is done with it, in plain words.

use api_types::ErrorCode;

use crate::error::ApiError;

/// When a locked container is worth another try, in seconds.
const RETRY_AFTER: u64 = 60;

/// What a lock means: the end of a sentence that begins with "because".
pub fn describe(lock: &str) -> &'static str {
    match lock {
        "backup" => "a backup of it is being made",
        "snapshot" => "a snapshot of it is being made",
        "snapshot-delete" => "a snapshot of it is being deleted",
        "rollback" => "it is being set back to a snapshot",
        "migrate" => "it is being moved to another node",
        "disk" => "its disk is being copied or moved",
        "create" => "it is being created or restored",
        "destroyed" => "it is being removed",
        "fstrim" => "unused space on its disk is being freed",
        "mounted" => "its disk is mounted on the host",
        _ => "an operation on the host holds it",
    }
}

/// Whether what holds a container may start it again at its end: a move, or a backup in mode
/// `stop`, of one that ran. Others hold it for as long as they like and leave it as it is.
pub fn may_start_again(lock: &str) -> bool {
    !matches!(lock, "destroyed" | "mounted")
}

/// The refusal of something that a locked container cannot do now.
pub fn refusal(lock: &str) -> ApiError {
    let message = format!(
        "The container is locked ({lock}) because {}; nothing was charged.",
        describe(lock)
    );
    ApiError::new(ErrorCode::LeaseConflict, message)
        .retry_after(RETRY_AFTER)
        .with("lock", lock)
        .advise("send the request again when that is done")
}
