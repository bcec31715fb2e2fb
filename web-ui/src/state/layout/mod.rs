//! Geometry of the page: where toasts are placed, what is visible, and when a log follows its end.

pub mod area;
pub mod scroll_following;
pub mod toast_placement;
pub mod visibility;
