//! The command line of `proxmox-api payments`.

use alloy::primitives::B256;
use clap::{Args, Subcommand};

use crate::commands::read_reason;

/// The commands about payments.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum PaymentsCommand {
    /// List what is owed to customers, and payments of which it is not known whether money moved.
    Due {
        /// Write JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show all that is known of a payment.
    Show {
        /// The payment's id.
        id: String,
    },
    /// Record what became of an unresolved payment, or that a debt was given back.
    Resolve {
        /// The payment's id.
        id: String,
        /// Why you decide so; the audit trail keeps it.
        #[arg(long, value_name = "TEXT", value_parser = read_reason, allow_hyphen_values = true)]
        reason: String,
        /// The operator's finding, or the refund that was made.
        #[command(flatten)]
        decision: DecisionOptions,
    },
}

/// The options of a decision, of which exactly one is given. There is no default: each decision is
/// at the expense of one side.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[group(required = true, multiple = false)]
pub struct DecisionOptions {
    /// The money of an unresolved payment moved, or a debt was given back, by this transaction.
    #[arg(long, value_name = "0x…", value_parser = read_transaction, allow_hyphen_values = true)]
    transaction: Option<String>,
    /// An unresolved payment moved no money, and cannot any more.
    #[arg(long)]
    not_moved: bool,
    /// A debt was given back in another way, which the reason names.
    #[arg(long)]
    given_back: bool,
}

/// The operator's decision about the money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The money moved, or was given back, by this transaction.
    Transaction(String),
    /// An unresolved payment moved nothing, and cannot any more.
    NotMoved,
    /// A debt was given back in another way, which the reason names.
    GivenBack,
}

impl DecisionOptions {
    /// The decision that was given.
    pub fn decision(self) -> Decision {
        match self.transaction {
            Some(hash) => Decision::Transaction(hash),
            None if self.not_moved => Decision::NotMoved,
            None => Decision::GivenBack,
        }
    }
}

fn read_transaction(text: &str) -> Result<String, String> {
    let hash = text.trim();
    match hash.starts_with("0x") && hash.parse::<B256>().is_ok() {
        true => Ok(hash.to_ascii_lowercase()),
        false => Err("it has to be 0x and 64 hexadecimal digits".into()),
    }
}
