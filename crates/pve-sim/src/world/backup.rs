//! A container as it was at one moment: what a backup holds.

use serde::{Deserialize, Serialize};

use super::container::Container;

/// The configuration of a container, with its description, as it was when it was backed up.
///
/// Made by [`Sim::backup`](crate::Sim::backup), put back by [`Sim::restore`](crate::Sim::restore).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Backup {
    pub(crate) container: Container,
}
