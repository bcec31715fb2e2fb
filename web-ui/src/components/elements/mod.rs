//! Small elements: icons, notices, facts, copy buttons, times, changing texts, and views of lazily
//! loaded chunks.

mod copy;
mod fact;
mod figure;
mod icon;
mod lazy_view;
mod local_time;
mod notice;
mod scroll_into_view;

pub use copy::CopyButton;
pub use fact::{Copyable, Fact};
pub use figure::{figure, words};
pub use icon::{Glyph, Icon};
pub use local_time::{LocalTime, local_time};
pub use notice::{Empty, Notice, RequestFailure, Tone};
pub use scroll_into_view::ScrollIntoView;
