//! Builds the tree from the parser's events by recursive descent: every function reads until the
//! end of its element.

use pulldown_cmark::{Alignment, CodeBlockKind, Event, Options, Parser, Tag};

use super::{Align, Block, Inline, Item};

/// Deeper nesting is shown as plain text, because each level costs stack and the text is not
/// trusted.
const DEEPEST: usize = 24;

/// Reads GitHub's Markdown: tables, struck text and task lists on top of CommonMark.
pub fn parse(text: &str) -> Vec<Block> {
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut reader = Reader {
        events: Parser::new_ext(text, options),
        depth: 0,
        checked: None,
    };
    reader.blocks()
}

struct Reader<'t> {
    events: Parser<'t>,
    depth: usize,
    /// The box of the list item that is being read.
    checked: Option<bool>,
}

impl<'t> Reader<'t> {
    /// Blocks until the end of the enclosing element. Loose text, as in a tight list, is a
    /// paragraph.
    fn blocks(&mut self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut loose = Vec::new();
        while let Some(event) = self.events.next() {
            match event {
                Event::End(_) => break,
                Event::Start(tag) if is_inline(&tag) => self.span(tag, &mut loose),
                Event::Start(tag) => {
                    flush(&mut loose, &mut blocks);
                    self.block(tag, &mut blocks);
                }
                Event::Rule => {
                    flush(&mut loose, &mut blocks);
                    blocks.push(Block::Rule);
                }
                Event::TaskListMarker(checked) => self.checked = Some(checked),
                event => leaf(event, &mut loose),
            }
        }
        flush(&mut loose, &mut blocks);
        blocks
    }

    fn block(&mut self, tag: Tag<'t>, blocks: &mut Vec<Block>) {
        if self.depth >= DEEPEST {
            let text = self.flat_text();
            blocks.push(Block::Paragraph(vec![Inline::Text(text)]));
            return;
        }
        self.depth += 1;
        match tag {
            Tag::Heading { level, .. } => blocks.push(Block::Heading(level as u8, self.inlines())),
            Tag::BlockQuote(_) => blocks.push(Block::Quote(self.blocks())),
            Tag::CodeBlock(kind) => {
                let text = self.flat_text();
                blocks.push(Block::Code {
                    language: language(&kind),
                    text: text.strip_suffix('\n').unwrap_or(&text).to_owned(),
                });
            }
            Tag::List(start) => {
                let items = self.items();
                blocks.push(Block::List { start, items });
            }
            Tag::Table(columns) => blocks.push(self.table(&columns)),
            // Raw HTML is shown as it was written.
            Tag::HtmlBlock => {
                let text = self.flat_text().trim_end().to_owned();
                blocks.push(Block::Paragraph(vec![Inline::Text(text)]));
            }
            Tag::Paragraph => blocks.push(Block::Paragraph(self.inlines())),
            // Other blocks are turned off by the options. If one comes, its content is shown.
            _ => blocks.extend(self.blocks()),
        }
        self.depth -= 1;
    }

    fn items(&mut self) -> Vec<Item> {
        let mut items = Vec::new();
        while let Some(Event::Start(Tag::Item)) = self.events.next() {
            let outer = self.checked.take();
            let blocks = self.blocks();
            items.push(Item {
                checked: self.checked.take(),
                blocks,
            });
            self.checked = outer;
        }
        items
    }

    fn table(&mut self, columns: &[Alignment]) -> Block {
        let mut head = Vec::new();
        let mut rows = Vec::new();
        while let Some(Event::Start(tag)) = self.events.next() {
            let mut cells = Vec::new();
            while let Some(Event::Start(Tag::TableCell)) = self.events.next() {
                cells.push(self.inlines());
            }
            if matches!(tag, Tag::TableHead) {
                head = cells;
            } else {
                rows.push(cells);
            }
        }
        let columns = columns.iter().map(|column| match column {
            Alignment::Center => Align::Center,
            Alignment::Right => Align::End,
            Alignment::None | Alignment::Left => Align::Start,
        });
        Block::Table {
            columns: columns.collect(),
            head,
            rows,
        }
    }

    /// Inline content until the end of the enclosing element.
    fn inlines(&mut self) -> Vec<Inline> {
        let mut line = Vec::new();
        while let Some(event) = self.events.next() {
            match event {
                Event::End(_) => break,
                Event::Start(tag) => self.span(tag, &mut line),
                Event::TaskListMarker(checked) => self.checked = Some(checked),
                event => leaf(event, &mut line),
            }
        }
        line
    }

    fn span(&mut self, tag: Tag<'t>, line: &mut Vec<Inline>) {
        if self.depth >= DEEPEST {
            push_text(line, &self.flat_text());
            return;
        }
        self.depth += 1;
        let children = self.inlines();
        self.depth -= 1;
        match tag {
            Tag::Strong => line.push(Inline::Strong(children)),
            Tag::Emphasis => line.push(Inline::Emphasis(children)),
            Tag::Strikethrough => line.push(Inline::Struck(children)),
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                match web_address(&dest_url) {
                    Some(address) => line.push(Inline::Link(address, children)),
                    None => line.extend(children),
                }
            }
            _ => line.extend(children),
        }
    }

    /// All text until the end of the enclosing element, nested elements included.
    fn flat_text(&mut self) -> String {
        let mut text = String::new();
        let mut open = 1;
        for event in self.events.by_ref() {
            match event {
                Event::Start(_) => open += 1,
                Event::End(_) => open -= 1,
                Event::Text(piece)
                | Event::Code(piece)
                | Event::Html(piece)
                | Event::InlineHtml(piece) => text.push_str(&piece),
                Event::SoftBreak | Event::HardBreak => text.push('\n'),
                _ => {}
            }
            if open == 0 {
                break;
            }
        }
        text
    }
}

fn is_inline(tag: &Tag<'_>) -> bool {
    matches!(
        tag,
        Tag::Emphasis | Tag::Strong | Tag::Strikethrough | Tag::Link { .. } | Tag::Image { .. }
    )
}

fn leaf(event: Event<'_>, line: &mut Vec<Inline>) {
    match event {
        Event::Text(text) | Event::InlineHtml(text) | Event::Html(text) => push_text(line, &text),
        Event::Code(text) => line.push(Inline::Code(text.into_string())),
        Event::SoftBreak => push_text(line, " "),
        Event::HardBreak => line.push(Inline::Break),
        _ => {}
    }
}

fn push_text(line: &mut Vec<Inline>, text: &str) {
    if let Some(Inline::Text(last)) = line.last_mut() {
        last.push_str(text);
    } else {
        line.push(Inline::Text(text.to_owned()));
    }
}

fn flush(loose: &mut Vec<Inline>, blocks: &mut Vec<Block>) {
    if !loose.is_empty() {
        blocks.push(Block::Paragraph(std::mem::take(loose)));
    }
}

fn language(kind: &CodeBlockKind<'_>) -> Option<String> {
    let CodeBlockKind::Fenced(info) = kind else {
        return None;
    };
    info.split_whitespace().next().map(str::to_owned)
}

/// The address, if it is safe to follow: `javascript:` and similar are not, and neither are
/// addresses within this page.
fn web_address(address: &str) -> Option<String> {
    let (scheme, _) = address.split_once(':')?;
    let known = ["https", "http", "mailto"];
    known
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known))
        .then(|| address.to_owned())
}
