//! The parts that pages are made of.

mod back;
mod coming;
mod copy;
mod dialog;
mod fact;
mod figure;
mod focus;
mod icon;
mod in_sight;
mod moment;
mod notice;
mod rest;
mod toasts;

pub mod pay;
pub mod shell;
pub mod terminal;
pub mod tool;
pub mod wallet;

pub use copy::CopyButton;
pub use dialog::Dialog;
pub use fact::{Copyable, Fact};
pub use figure::{figure, words};
pub use focus::{catch_focus, catch_in_conversation, first_in, focus_quietly};
pub use icon::{Glyph, Icon};
pub use in_sight::InSight;
pub use moment::{Moment, local};
pub use notice::{Empty, Notice, Tone, Trouble};
pub use rest::{ToastStack, begin, of_the_device};
pub use toasts::Toasts;
