//! The icons, drawn with one stroke width. They are decoration: their meaning is in the text beside
//! them or in the label of their button.

use leptos::prelude::*;

/// An icon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Glyph {
    /// A speech bubble.
    Chat,
    /// Two servers.
    Server,
    /// A slip of paper.
    Receipt,
    /// Two sliders.
    Sliders,
    /// A wallet.
    Wallet,
    /// The sun.
    Sun,
    /// The moon.
    Moon,
    /// A screen.
    Screen,
    /// A plus.
    Plus,
    /// A bin.
    Bin,
    /// Two sheets.
    Copy,
    /// A tick.
    Check,
    /// A cross.
    Cross,
    /// An arrow up.
    Up,
    /// An arrow down.
    Down,
    /// A square.
    Stop,
    /// A circular arrow.
    Refresh,
    /// A prompt.
    Prompt,
    /// A triangle.
    Play,
    /// A clock.
    Clock,
    /// An exclamation mark in a triangle.
    Alert,
    /// An arrow that leaves a box.
    Leave,
    /// A key.
    Key,
    /// Three lines.
    Menu,
    /// An arrow into a tray.
    Download,
    /// A chevron.
    Chevron,
    /// A magnifying glass.
    Search,
}

impl Glyph {
    const fn path(self) -> &'static str {
        match self {
            Self::Chat => "M4 5h16v11H10l-4 4v-4H4z",
            Self::Server => "M4 5h16v6H4zM4 13h16v6H4zM7.5 8h.01M7.5 16h.01M11 8h5M11 16h5",
            Self::Receipt => "M6 3v18l2-1.5L10 21l2-1.5L14 21l2-1.5L18 21V3zM9 8h6M9 12h6M9 16h3",
            Self::Sliders => "M4 7h9M17 7h3M4 17h3M11 17h9M15 5v4M9 15v4",
            Self::Wallet => "M4 7h15v12H4zM4 7l11-3v3M15 13h4M15.5 13h.01",
            Self::Sun => {
                "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 3v1.5M12 19.5V21M3 12h1.5M19.5 12H21M5.6 5.6l1 1M17.4 17.4l1 1M5.6 18.4l1-1M17.4 6.6l1-1"
            }
            Self::Moon => "M20 14.5A8 8 0 0 1 9.5 4a8 8 0 1 0 10.5 10.5z",
            Self::Screen => "M4 5h16v11H4zM9 20h6M12 16v4",
            Self::Plus => "M12 5v14M5 12h14",
            Self::Bin => "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5",
            Self::Copy => "M9 9h10v11H9zM15 9V5H5v11h4",
            Self::Check => "M5 12.5l4.5 4.5L19 7.5",
            Self::Cross => "M6 6l12 12M18 6L6 18",
            Self::Up => "M12 19V6M6.5 11L12 5.5 17.5 11",
            Self::Down => "M12 5v13M6.5 13l5.5 5.5L17.5 13",
            Self::Stop => "M7 7h10v10H7z",
            Self::Refresh => "M19 12a7 7 0 1 1-2-4.9M17.5 3.5v4h-4",
            Self::Prompt => "M4 5h16v14H4zM7.5 9.5L10 12l-2.5 2.5M12 14.5h4",
            Self::Play => "M8 5.5v13l10-6.5z",
            Self::Clock => "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16M12 8v4.5l3 1.5",
            Self::Alert => "M12 4.5L3.5 19.5h17zM12 10v4.5M12 17h.01",
            Self::Leave => "M13 5h6v6M19 5l-8 8M10 6H5v13h13v-5",
            Self::Key => {
                "M14.5 5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9M11 12.5L4.5 19l1.5 1.5M7.5 16l2 2"
            }
            Self::Menu => "M4 7h16M4 12h16M4 17h10",
            Self::Download => "M12 4v11M7.5 11l4.5 4.5 4.5-4.5M5 19.5h14",
            Self::Chevron => "M7 10l5 5 5-5",
            Self::Search => "M11 4.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13M15.8 15.8L20 20",
        }
    }
}

/// Draws an icon in the colour of the text.
#[component]
pub fn Icon(
    /// The icon.
    glyph: Glyph,
) -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
            <path d=glyph.path() />
        </svg>
    }
}
