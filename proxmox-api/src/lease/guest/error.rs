//! What a failure inside a container means for its owner.

use ::guest::GuestError;
use api_types::{ErrorCode, FieldError};

use crate::{error::ApiError, memory::guest_routes::SshObstacle};

/// What needs SSH is refused because there is none.
pub fn ssh_unavailable(obstacle: SshObstacle) -> ApiError {
    let message = format!("This needs SSH into the container. {}", obstacle.sentence());
    let error = ApiError::new(ErrorCode::SshUnavailable, message);
    if obstacle.can_be_removed() {
        error.advise("set SSH up: POST /lease/{lease}/access, free with a session")
    } else {
        error
    }
}

impl From<GuestError> for ApiError {
    fn from(error: GuestError) -> Self {
        let conflict = |message: &str| Self::new(ErrorCode::FileConflict, message);
        match error {
            GuestError::Refused => ssh_unavailable(SshObstacle::Refused),
            GuestError::Unreachable => ssh_unavailable(SshObstacle::Unreachable),
            GuestError::NotSsh => ssh_unavailable(SshObstacle::NotSsh),
            GuestError::HostKeyMismatch => ssh_unavailable(SshObstacle::HostKeyChanged),
            GuestError::AuthRefused => ssh_unavailable(SshObstacle::LoginRefused),
            GuestError::NotStarted => {
                let message = "The container's login shell did not start the command, or it cannot become the user: it lacks `setpriv` and `su`, or its root may not change users.";
                Self::new(ErrorCode::LeaseConflict, message).with("mayHaveRun", false)
            }
            GuestError::NoSftp => {
                let message = "The container's SSH server offers no file transfer (SFTP): its program for it is missing, or a start-up file of root's shell prints something.";
                Self::new(ErrorCode::SshUnavailable, message)
                    .advise("install it: POST /lease/{lease}/access, free with a session")
            }
            GuestError::TooMany => {
                let message = "Too many connections into the container are in use.";
                Self::new(ErrorCode::RateLimited, message).retry_after(5)
            }
            GuestError::NoSuchUser => {
                Self::invalid(vec![FieldError::new("user", "is no user of the container")])
            }
            GuestError::NoSuchDirectory => Self::invalid(vec![FieldError::new(
                "cwd",
                "is no folder of the container that the user may enter",
            )]),
            GuestError::InvalidCommand(what) => {
                Self::invalid(vec![FieldError::new("command", what)])
            }
            GuestError::InvalidPath(what) => Self::invalid(vec![FieldError::new("path", what)]),
            GuestError::NotFound => Self::new(
                ErrorCode::FileNotFound,
                "The container has no file at this path.",
            ),
            GuestError::Permission => conflict("The container does not allow this with the file."),
            GuestError::NotADirectory => conflict("A part of the path is no directory."),
            GuestError::IsADirectory => conflict("There is a directory at this path."),
            GuestError::NotAFile => {
                conflict("There is a device, pipe or socket at this path, and no file.")
            }
            GuestError::NotEmpty => {
                conflict("The directory is not empty; `recursive=true` removes what is in it too.")
            }
            GuestError::Exists => conflict("There is a file at this path already."),
            GuestError::NoSpace => Self::new(ErrorCode::DiskFull, "The container's disk is full.")
                .advise("make room on it, and send the request again"),
            GuestError::FileRefused(reason) => {
                tracing::debug!(reason, "a container refused a request on a file");
                conflict("The container refuses this with the file.")
            }
            GuestError::Changed => conflict("The file became shorter while it was read."),
            GuestError::TooLarge => {
                Self::new(ErrorCode::BodyTooLarge, "The file is larger than is taken.")
            }
            GuestError::Upload => Self::new(
                ErrorCode::InvalidRequest,
                "The request's body broke off, and nothing was written.",
            ),
            GuestError::Penalized => ssh_unavailable(SshObstacle::Refused),
            GuestError::NoHostKey => ssh_unavailable(SshObstacle::NoHostKey),
            GuestError::RequestRefused => Self::new(
                ErrorCode::SshUnavailable,
                "The container's SSH server runs no commands, shells or SFTP for this service.",
            ),
            GuestError::ForwardingProhibited => Self::new(
                ErrorCode::SshUnavailable,
                "The container's SSH server forbids port forwarding.",
            ),
            lost @ (GuestError::Lost { .. } | GuestError::Proxy(_) | GuestError::Other(_)) => {
                let may_have_run = lost.may_have_run();
                tracing::warn!(error = %lost, "the connection into a container was lost");
                let message = "The connection into the container was lost.";
                Self::new(ErrorCode::HypervisorError, message)
                    .with("mayHaveRun", may_have_run)
                    .retry_after(2)
            }
        }
    }
}
