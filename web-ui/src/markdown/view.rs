//! The elements of the tree.

use leptos::prelude::*;

use super::{Align, Block, Inline, Item, parse};
use crate::{components::CopyButton, text::chat};

/// A text in Markdown. An unchanged block keeps its element while the text grows.
#[component]
pub fn Markdown(
    /// The text.
    #[prop(into)]
    text: Signal<String>,
) -> impl IntoView {
    let blocks = Memo::new(move |_| text.with(|text| parse(text)));
    let numbered = move || blocks.get().into_iter().enumerate().collect::<Vec<_>>();
    view! {
        <div class="prose">
            <For each=numbered key=|numbered| numbered.clone() let(numbered)>{block(numbered.1)}</For>
        </div>
    }
}

fn block(block: Block) -> AnyView {
    match block {
        Block::Paragraph(line) => view! { <p>{inlines(line)}</p> }.into_any(),
        Block::Heading(level, line) => heading(level, line),
        Block::Code { language, text } => code(language, text),
        Block::Quote(blocks) => view! { <blockquote>{all(blocks)}</blockquote> }.into_any(),
        Block::List {
            start: Some(start),
            items,
        } => view! { <ol start=start.to_string()>{points(items)}</ol> }.into_any(),
        Block::List { start: None, items } => view! { <ul>{points(items)}</ul> }.into_any(),
        Block::Table {
            columns,
            head,
            rows,
        } => table(&columns, head, rows),
        Block::Rule => view! { <hr /> }.into_any(),
    }
}

fn all(blocks: Vec<Block>) -> AnyView {
    blocks.into_iter().map(block).collect_view().into_any()
}

/// The page has the first level of headings and the conversation the second, so those of a text
/// start at the third.
fn heading(level: u8, line: Vec<Inline>) -> AnyView {
    match level {
        1 | 2 => view! { <h3>{inlines(line)}</h3> }.into_any(),
        3 => view! { <h4>{inlines(line)}</h4> }.into_any(),
        _ => view! { <h5>{inlines(line)}</h5> }.into_any(),
    }
}

fn code(language: Option<String>, text: String) -> AnyView {
    let name = language.unwrap_or_else(|| chat::CODE.to_owned());
    view! {
        <figure class="code">
            <figcaption><span>{name}</span><CopyButton text=text.clone() label=chat::COPY_CODE /></figcaption>
            <pre tabindex="0"><code>{text}</code></pre>
        </figure>
    }
    .into_any()
}

fn points(items: Vec<Item>) -> AnyView {
    let point = |item: Item| {
        let ticked = item.checked.map(|checked| {
            view! { <input type="checkbox" disabled prop:checked=checked aria-label=chat::TASK /> }
        });
        let class = ticked.is_some().then_some("task");
        view! { <li class=class>{ticked}{all(item.blocks)}</li> }
    };
    items.into_iter().map(point).collect_view().into_any()
}

fn table(columns: &[Align], head: Vec<super::Cell>, rows: Vec<Vec<super::Cell>>) -> AnyView {
    let align = |column: usize| match columns.get(column) {
        Some(Align::Center) => "center",
        Some(Align::End) => "end",
        _ => "start",
    };
    let head: Vec<_> = head
        .into_iter()
        .enumerate()
        .map(|(column, cell)| view! { <th scope="col" data-align=align(column)>{inlines(cell)}</th> })
        .collect();
    let row = |cells: Vec<super::Cell>| {
        let cells: Vec<_> = cells
            .into_iter()
            .enumerate()
            .map(|(column, cell)| view! { <td data-align=align(column)>{inlines(cell)}</td> })
            .collect();
        view! { <tr>{cells}</tr> }
    };
    view! {
        <div class="table-scroll" tabindex="0">
            <table><thead><tr>{head}</tr></thead><tbody>{rows.into_iter().map(row).collect_view()}</tbody></table>
        </div>
    }
    .into_any()
}

fn inlines(line: Vec<Inline>) -> AnyView {
    line.into_iter().map(inline).collect_view().into_any()
}

fn inline(inline: Inline) -> AnyView {
    match inline {
        Inline::Text(text) => text.into_any(),
        Inline::Code(text) => view! { <code>{text}</code> }.into_any(),
        Inline::Strong(line) => view! { <strong>{inlines(line)}</strong> }.into_any(),
        Inline::Emphasis(line) => view! { <em>{inlines(line)}</em> }.into_any(),
        Inline::Struck(line) => view! { <del>{inlines(line)}</del> }.into_any(),
        Inline::Link(address, line) => view! {
            <a href=address target="_blank" rel="noopener noreferrer nofollow">{inlines(line)}</a>
        }
        .into_any(),
        Inline::Break => view! { <br /> }.into_any(),
    }
}
