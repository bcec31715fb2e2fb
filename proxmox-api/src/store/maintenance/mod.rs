//! What an operator does with a whole database: check it, back it up, copy it to the other kind.

mod backup;
mod condition;
pub(super) mod copy;

pub use backup::{Backup, BackupError, backup};
pub use condition::database_condition;
pub use copy::{CopyError, CopyStep, Observer, TableFigures, copy};
