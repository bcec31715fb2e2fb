//! The web interface. Pure parts build everywhere, so that they are tested natively; views build for the browser.

pub mod format;
pub mod sse;
