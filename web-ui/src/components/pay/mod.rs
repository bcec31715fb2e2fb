//! Paying: the card, the sheet that shows it, what a panel does to buy something, and the budget.

mod actions;
mod budget;
mod card;
mod credential;
mod delivered;
mod end;
mod facts;
mod item;
mod limits;
mod outcome;
mod purchase;
mod sends;
mod sheet;

pub use budget::BudgetChip;
pub use card::SLIP;
pub use delivered::Delivered;
pub use facts::PriceLines;
pub use limits::Limits;
pub use outcome::Transaction;
pub use purchase::Purchase;
pub use sheet::{Sheet, SheetView};
