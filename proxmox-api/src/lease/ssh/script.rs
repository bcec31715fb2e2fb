//! Short scripts of ours in a container.

use std::time::Duration;

use ::guest::{CommandOutcome, CommandRequest, Guest, GuestError};

use crate::error::ApiError;

/// How long a script may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Runs a script as root with this input. It changes nothing that cannot be repeated.
pub(super) async fn run(
    guest: &Guest,
    script: &str,
    stdin: Vec<u8>,
) -> Result<CommandOutcome, ApiError> {
    let request = CommandRequest {
        stdin,
        timeout: TIMEOUT,
        ..CommandRequest::new(script)
    };
    let outcome = guest.open_command(false).await?.run(request, None).await?;
    if outcome.timed_out {
        return Err(GuestError::Unreachable.into());
    }
    Ok(outcome)
}
