//! The frame around the pages: header, banners, keyboard shortcuts and the command palette.

pub(crate) mod banners;
mod header;
pub(crate) mod idle;
pub(crate) mod keyboard;
mod overlays;
pub(crate) mod palette;
mod tabs;

pub use banners::Banners;
pub use header::Header;
pub use keyboard::Shortcuts;
pub use overlays::Overlays;
