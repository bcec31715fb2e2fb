//! Markdown as a small tree. The agent's words are data: raw HTML stays visible as text, images become links, and a
//! link leads only to the web or to a mailbox. The browser builds its elements from the tree, never from markup.

mod parse;
#[cfg(target_arch = "wasm32")]
mod view;

pub use parse::parse;
#[cfg(target_arch = "wasm32")]
pub use view::Markdown;

/// A part of a page. Equal blocks are shown by the same element, so that a growing text keeps what is done.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Block {
    /// Running text.
    Paragraph(Vec<Inline>),
    /// A heading, 1 to 6.
    Heading(u8, Vec<Inline>),
    /// A piece of code with its language, where one is named.
    Code {
        /// The first word after the fence.
        language: Option<String>,
        /// The text, without the last line break.
        text: String,
    },
    /// A quotation.
    Quote(Vec<Block>),
    /// A list; `start` is the first number of a numbered one.
    List {
        /// The first number.
        start: Option<u64>,
        /// The points.
        items: Vec<Item>,
    },
    /// A table.
    Table {
        /// How each column is set.
        columns: Vec<Align>,
        /// The heading row.
        head: Vec<Cell>,
        /// The other rows.
        rows: Vec<Vec<Cell>>,
    },
    /// A line across.
    Rule,
}

/// The content of a table's cell.
pub type Cell = Vec<Inline>;

/// A point of a list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Item {
    /// Whether its box is ticked, where it has one.
    pub checked: Option<bool>,
    /// What it says.
    pub blocks: Vec<Block>,
}

/// How a column is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Align {
    /// At its beginning.
    Start,
    /// In the middle.
    Center,
    /// At its end.
    End,
}

/// A part of a line.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Inline {
    /// Plain text.
    Text(String),
    /// Code.
    Code(String),
    /// Important.
    Strong(Vec<Inline>),
    /// Stressed.
    Emphasis(Vec<Inline>),
    /// No longer so.
    Struck(Vec<Inline>),
    /// A link to a checked address.
    Link(String, Vec<Inline>),
    /// A line break.
    Break,
}

#[cfg(test)]
mod tests;
