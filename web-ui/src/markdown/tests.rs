use super::*;

fn text(text: &str) -> Inline {
    Inline::Text(text.to_owned())
}

fn paragraph(words: &str) -> Block {
    Block::Paragraph(vec![text(words)])
}

#[test]
fn what_an_agent_writes_becomes_a_tree() {
    let page =
        "## Ready\n\nYour **container** is `101`,\nsee [docs](https://example.org \"t\").\n\n---";
    assert_eq!(
        parse(page),
        [
            Block::Heading(2, vec![text("Ready")]),
            Block::Paragraph(vec![
                text("Your "),
                Inline::Strong(vec![text("container")]),
                text(" is "),
                Inline::Code("101".to_owned()),
                text(", see "),
                Inline::Link("https://example.org".to_owned(), vec![text("docs")]),
                text("."),
            ]),
            Block::Rule,
        ]
    );
}

#[test]
fn code_keeps_its_language_and_its_lines() {
    assert_eq!(
        parse("```sh -x\napt update\n\nexit\n```\n\n    indented"),
        [
            Block::Code {
                language: Some("sh".to_owned()),
                text: "apt update\n\nexit".to_owned(),
            },
            Block::Code {
                language: None,
                text: "indented".to_owned(),
            },
        ]
    );
    // A fence that is still being written is code already.
    assert_eq!(
        parse("```\nhalf a li"),
        [Block::Code {
            language: None,
            text: "half a li".to_owned(),
        }]
    );
}

#[test]
fn lists_nest_and_have_numbers_and_boxes() {
    let list = parse("3. one\n4. two\n   - [x] done\n   - [ ] open\n");
    let point = |checked, words: &str| Item {
        checked,
        blocks: vec![paragraph(words)],
    };
    let inner = Block::List {
        start: None,
        items: vec![point(Some(true), "done"), point(Some(false), "open")],
    };
    assert_eq!(
        list,
        [Block::List {
            start: Some(3),
            items: vec![
                point(None, "one"),
                Item {
                    checked: None,
                    blocks: vec![paragraph("two"), inner],
                },
            ],
        }]
    );
    assert_eq!(
        parse("- [x] loose\n\n- second\n"),
        [Block::List {
            start: None,
            items: vec![point(Some(true), "loose"), point(None, "second")],
        }]
    );
}

#[test]
fn tables_keep_their_columns() {
    assert_eq!(
        parse("| a | b |\n|:-:|--:|\n| *x* | 1 |\n| y | |\n"),
        [Block::Table {
            columns: vec![Align::Center, Align::End],
            head: vec![vec![text("a")], vec![text("b")]],
            rows: vec![
                vec![vec![Inline::Emphasis(vec![text("x")])], vec![text("1")]],
                vec![vec![text("y")], vec![]],
            ],
        }]
    );
}

#[test]
fn html_is_shown_and_never_done() {
    assert_eq!(
        parse("<img src=x onerror=alert(1)>\n\nhi <b>there</b>"),
        [
            paragraph("<img src=x onerror=alert(1)>"),
            paragraph("hi <b>there</b>"),
        ]
    );
}

#[test]
fn links_lead_to_the_web_or_nowhere() {
    for address in [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "/settings",
        "#x",
        "//host/x",
    ] {
        assert_eq!(
            parse(&format!("[go]({address})")),
            [paragraph("go")],
            "{address}"
        );
    }
    // An image would send a request to wherever the text says.
    assert_eq!(
        parse("![chart](https://example.org/c.png)"),
        [Block::Paragraph(vec![Inline::Link(
            "https://example.org/c.png".to_owned(),
            vec![text("chart")]
        )])]
    );
}

#[test]
fn nesting_without_end_is_shown_flat() {
    let quotes = format!("{} deep", ">".repeat(5_000));
    let mut blocks = parse(&quotes);
    let mut depth = 0;
    while let [Block::Quote(inner)] = &blocks[..] {
        blocks = inner.clone();
        depth += 1;
    }
    assert_eq!(depth, 24);
    assert_eq!(blocks, [paragraph("deep")]);
}
