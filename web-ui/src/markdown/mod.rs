//! Markdown as a small tree. The agent's texts are data: raw HTML is shown as text, images become
//! links, and links lead only to the web or to a mailbox. Elements are built from the tree, never
//! from markup.

mod parse;
#[cfg(target_arch = "wasm32")]
mod view;

pub use parse::parse;
#[cfg(target_arch = "wasm32")]
pub use view::Markdown;

/// A block of a text. Equal blocks keep their element, so that a growing text redraws only its end.
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
        /// The items.
        items: Vec<Item>,
    },
    /// A table.
    Table {
        /// The alignment of each column.
        columns: Vec<Align>,
        /// The heading row.
        head: Vec<Cell>,
        /// The other rows.
        rows: Vec<Vec<Cell>>,
    },
    /// A horizontal rule.
    Rule,
}

/// The content of a table's cell.
pub type Cell = Vec<Inline>;

/// An item of a list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Item {
    /// Whether its box is ticked, where it has one.
    pub checked: Option<bool>,
    /// Its content.
    pub blocks: Vec<Block>,
}

/// The alignment of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Align {
    /// At the start.
    Start,
    /// Centered.
    Center,
    /// At the end.
    End,
}

/// Inline content.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Inline {
    /// Plain text.
    Text(String),
    /// Code.
    Code(String),
    /// Strong text.
    Strong(Vec<Inline>),
    /// Emphasised text.
    Emphasis(Vec<Inline>),
    /// Struck text.
    Struck(Vec<Inline>),
    /// A link to a checked address.
    Link(String, Vec<Inline>),
    /// A line break.
    Break,
}

#[cfg(test)]
mod tests;
