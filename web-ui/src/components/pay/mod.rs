//! Paying: the pay card, the sheet that shows it, purchases from panels, and the budget.

mod actions;
pub(crate) mod budget;
pub(crate) mod card;
mod card_state;
mod credential;
mod delivered;
mod facts;
mod leave_question;
mod limits;
mod outcome;
mod purchase;
pub(crate) mod purchase_item;
mod request_view;
mod sheet;
mod sheet_view;

pub use budget::BudgetChip;
pub use delivered::Delivered;
pub use facts::PriceLines;
pub use limits::BudgetLimits;
pub use outcome::Transaction;
pub use purchase::Purchase;
pub use sheet::Sheet;
pub use sheet_view::SheetView;
