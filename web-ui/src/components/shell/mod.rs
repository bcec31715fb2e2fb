//! The frame around the pages.

mod appearance;
mod banners;
mod doors;
mod header;
mod keyboard;
mod keys;
mod navigation;
mod palette;

pub use appearance::{Appearance, ThemeButton, ThemeChoice};
pub use banners::Banners;
pub use doors::Doors;
pub use header::Header;
pub use keyboard::{PaletteButton, Shortcuts};
pub use keys::KeyHelp;
pub use navigation::{Navigation, Tabs, focus_content, focus_conversation, focus_on};
