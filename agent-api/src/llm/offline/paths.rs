//! The absolute paths in a sentence.

/// What surrounds a path or content, and is no part of it.
pub(super) const QUOTES: [char; 3] = ['`', '"', '\''];
/// What follows a path at the end of a sentence or a part of it.
const ENDINGS: [char; 6] = ['.', ',', ';', ':', '?', '!'];

/// A path in a sentence, with the place of its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FoundPath {
    /// The path.
    pub path: String,
    /// Where its token begins, with a quote.
    pub start: usize,
    /// Where its token ends.
    pub end: usize,
}

/// The absolute paths of a sentence. One with spaces has quotes.
pub(super) fn find(sentence: &str) -> Vec<FoundPath> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(start) = next_path(sentence, from) {
        let quote = sentence[..start].chars().next_back();
        let quote = quote.filter(|c| QUOTES.contains(c));
        let rest = &sentence[start..];
        let quoted = quote.and_then(|quote| rest.find(quote));
        let end = quoted.or_else(|| rest.find(char::is_whitespace));
        let end = start + end.unwrap_or(rest.len());
        let path = match quoted {
            Some(_) => &sentence[start..end],
            None => sentence[start..end].trim_end_matches(ENDINGS),
        };
        found.push(FoundPath {
            path: path.to_owned(),
            start: start - quote.map_or(0, char::len_utf8),
            end: start + path.len() + quoted.map_or(0, |_| 1),
        });
        from = end;
    }
    found
}

/// The next `/` that begins a word. One alone is a path after `in` and `of` only, and none in `1
/// core / 512 MB`.
fn next_path(sentence: &str, from: usize) -> Option<usize> {
    let slashes = sentence[from..].match_indices('/');
    slashes.map(|(at, _)| from + at).find(|at| {
        let before = sentence[..*at].chars().next_back();
        let begins = before.is_none_or(|c| c.is_whitespace() || QUOTES.contains(&c));
        let after = sentence[at + 1..].chars().next();
        let alone = after.is_none_or(char::is_whitespace);
        let listed = ["in ", "of "]
            .iter()
            .any(|word| sentence[..*at].ends_with(word));
        begins && (!alone || listed)
    })
}

/// The sentence without its paths, whose numbers are no container's.
pub(super) fn without(sentence: &str, paths: &[FoundPath]) -> String {
    let mut rest = String::new();
    let mut from = 0;
    for path in paths {
        rest.push_str(&sentence[from..path.start]);
        rest.push(' ');
        from = path.end;
    }
    rest.push_str(&sentence[from..]);
    rest
}
