//! Parses a script of the toy's language into statements and words.

/// When a statement is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RunCondition {
    Always,
    Success,
    Failure,
}

/// The target of a redirection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RedirectTarget {
    File { append: bool, errors: bool },
    ErrorsToOutput,
    OutputToErrors,
}

/// A part of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WordPart {
    Plain(String),
    Variable(String),
}

/// A word of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ShellWord {
    Text(Vec<WordPart>),
    Redirect(RedirectTarget),
}

/// A command with its arguments and redirections.
pub(super) struct Statement {
    pub(super) after: RunCondition,
    pub(super) words: Vec<ShellWord>,
}

/// Parses a script. Quotes may span lines.
pub(super) fn split(text: &str) -> Vec<Statement> {
    let mut statements = Vec::new();
    let mut current = Statement {
        after: RunCondition::Always,
        words: Vec::new(),
    };
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r']);
        let ends = [
            ("&&", RunCondition::Success),
            ("||", RunCondition::Failure),
            (";", RunCondition::Always),
            ("\n", RunCondition::Always),
        ];
        let end = ends.into_iter().find(|(end, _)| rest.starts_with(end));
        if rest.is_empty() || end.is_some() {
            let (length, after) =
                end.map_or((0, RunCondition::Always), |(end, after)| (end.len(), after));
            let next = Statement {
                after,
                words: Vec::new(),
            };
            statements.push(std::mem::replace(&mut current, next));
            if rest.is_empty() {
                statements.retain(|statement| !statement.words.is_empty());
                return statements;
            }
            rest = &rest[length..];
            continue;
        }
        if rest.starts_with('#') {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
            continue;
        }
        let file = |append, errors| RedirectTarget::File { append, errors };
        let redirects = [
            ("2>&1", RedirectTarget::ErrorsToOutput),
            (">&2", RedirectTarget::OutputToErrors),
            ("2>>", file(true, true)),
            ("2>", file(false, true)),
            (">>", file(true, false)),
            (">", file(false, false)),
        ];
        if let Some((sign, target)) = redirects
            .into_iter()
            .find(|(sign, _)| rest.starts_with(sign))
        {
            current.words.push(ShellWord::Redirect(target));
            rest = &rest[sign.len()..];
            continue;
        }
        let (word, after) = word(rest);
        current.words.push(word);
        rest = after;
    }
}

/// The first word of a text, and what follows it.
fn word(text: &str) -> (ShellWord, &str) {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut quote: Option<char> = None;
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let ends = quote.is_none() && " \t\r\n;&|<>".contains(c);
        if ends && !(at == 0 && "&|<".contains(c)) {
            break;
        }
        at += c.len_utf8();
        match (c, quote) {
            ('\'', None) | ('"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            ('\\', None | Some('"')) => {
                if let Some(next) = text[at..].chars().next() {
                    at += next.len_utf8();
                    plain.push(next);
                }
            }
            ('$', None | Some('"')) => {
                let name = variable(&text[at..]);
                at += name.len();
                let name = name.trim_matches(['{', '}']).to_owned();
                if name.is_empty() {
                    plain.push('$');
                } else {
                    pieces.push(WordPart::Plain(std::mem::take(&mut plain)));
                    pieces.push(WordPart::Variable(name));
                }
            }
            (c, _) => plain.push(c),
        }
    }
    pieces.push(WordPart::Plain(plain));
    (ShellWord::Text(pieces), &text[at..])
}

fn variable(text: &str) -> &str {
    if text.starts_with('?') {
        return &text[..1];
    }
    if let Some(inner) = text.strip_prefix('{') {
        return inner.find('}').map_or("", |end| &text[..end + 2]);
    }
    let end = text
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    &text[..end]
}
