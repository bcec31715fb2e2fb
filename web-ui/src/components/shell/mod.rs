//! The frame around the pages.

mod appearance;
mod banners;
mod header;
mod keyboard;
mod navigation;

pub use appearance::{Appearance, ThemeButton, ThemeChoice};
pub use banners::{Banners, ExpiryWatch};
pub use header::Header;
pub use keyboard::{KeyHelp, Shortcuts};
pub use navigation::{Navigation, Tabs, focus_content};
