//! The card of a tool call in a conversation.

mod card;
mod confirm;
mod console;
mod exec;
mod json;
mod ports;

pub use card::ToolCard;
pub use exec::ExecOutput;
