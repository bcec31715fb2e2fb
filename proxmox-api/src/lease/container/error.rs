//! Why a container could not be halted or removed, and whether an operator has to help.

use pve::Refusal;

use super::locate::LocateError;
use crate::{memory::alarms::Trouble, store::StoreError};

/// Why a container was not halted or not removed.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    /// Proxmox did not do it.
    #[error("{0}")]
    Proxmox(String),
    /// Another operation holds it; later.
    #[error("the container is locked ({0})")]
    Locked(String),
    /// Protection mode keeps it.
    #[error("the container is protected from removal")]
    Protected,
    /// Its number is taken, and it cannot be told whether by the lease's container.
    #[error("it cannot be told whether the number is still the lease's: {}", .0.word())]
    Unclear(Trouble),
    /// Its node does not answer.
    #[error("its node does not answer")]
    Away,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ContainerError {
    /// What keeps the container, where that lasts until an operator or another operation is done.
    pub fn trouble(&self) -> Option<Trouble> {
        match self {
            Self::Locked(_) => Some(Trouble::Locked),
            Self::Protected => Some(Trouble::Protected),
            Self::Unclear(trouble) => Some(*trouble),
            Self::Away => Some(Trouble::NodeAway),
            Self::Proxmox(_) | Self::Store(_) => None,
        }
    }
}

impl From<pve::Error> for ContainerError {
    fn from(error: pve::Error) -> Self {
        match error.refusal() {
            Some(Refusal::Locked(lock)) => Self::Locked(lock.clone()),
            Some(Refusal::Protected) => Self::Protected,
            _ => Self::Proxmox(error.safe_text()),
        }
    }
}

impl From<LocateError> for ContainerError {
    fn from(error: LocateError) -> Self {
        match error {
            LocateError::Proxmox(error) => error.into(),
            LocateError::Store(error) => Self::Store(error),
        }
    }
}
