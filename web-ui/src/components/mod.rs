//! The parts that pages are made of.

mod appearance;
mod elements;
mod focus;
mod navigation;
mod port_address;

pub mod dialog;
pub mod key_list;
pub mod pay;
pub mod terminal;
pub mod toasts;
pub mod tool;
pub mod wallet;

pub use appearance::{Appearance, ThemeButton, ThemeChoice, theme_icon};
pub use dialog::Dialog;
pub use elements::*;
pub use focus::{
    find_first, focus_content, focus_conversation, focus_id, focus_quietly, restore_focus,
    restore_focus_in_conversation,
};
pub use key_list::KeyList;
pub use navigation::Navigation;
pub use port_address::PortAddress;
pub use toasts::{ToastStack, Toasts};
