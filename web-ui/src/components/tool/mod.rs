//! A tool's card in a conversation.

mod card;
mod confirm;
mod console;
mod exec;
mod json;

pub use card::ToolCard;
pub use exec::ExecOutput;
