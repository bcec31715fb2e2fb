//! Short scripts of ours in a container, over SSH.

use std::time::Duration;

use ::guest::{CommandOutcome, CommandRequest, Guest, GuestError};

use crate::error::ApiError;

/// How long a script may take.
pub(super) const TIMEOUT: Duration = Duration::from_secs(20);

/// Runs a script as root. It changes nothing that cannot be repeated.
///
/// # Errors
/// The container does not answer, or not in time.
pub async fn run(guest: &Guest, script: CommandRequest) -> Result<CommandOutcome, ApiError> {
    let request = CommandRequest {
        timeout: TIMEOUT,
        ..script
    };
    let outcome = guest.open_command(false).await?.run(request, None).await?;
    if outcome.timed_out {
        return Err(GuestError::Unreachable.into());
    }
    Ok(outcome)
}
