//! Requests to run a command: `run COMMAND in container 100`, `run in container 100: COMMAND`.

use super::{paths::QUOTES, words};

/// A command, and where it is to run.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RunRequest {
    /// The command line.
    pub command: String,
    /// Whether the request says `in the background`.
    pub background: bool,
    /// The sentence without the command.
    place: String,
}

impl RunRequest {
    /// The request of a sentence that has a command.
    pub(super) fn find(sentence: &str) -> Option<Self> {
        let (sentence, background) = without_background(sentence);
        let (command, place) = command(&sentence)?;
        Some(Self {
            command,
            background,
            place,
        })
    }

    /// The container that the request names.
    pub(super) fn container(&self) -> Option<u64> {
        words::container_number(&words::split(&self.place))
    }
}

/// The sentence without `in the background`, and whether it had it outside of a quoted command.
fn without_background(sentence: &str) -> (String, bool) {
    let lower = sentence.to_ascii_lowercase();
    let quotes = QUOTES.iter().find_map(|quote| {
        let (open, close) = (sentence.find(*quote)?, sentence.rfind(*quote)?);
        (open < close).then_some(open..close)
    });
    let found = [" in the background", " in background"]
        .iter()
        .find_map(|phrase| Some((lower.rfind(phrase)?, phrase.len())))
        .filter(|(at, _)| !quotes.is_some_and(|quotes| quotes.contains(at)));
    match found {
        Some((at, length)) => {
            let text = format!("{}{}", &sentence[..at], &sentence[at + length..]);
            (text, true)
        }
        None => (sentence.to_owned(), false),
    }
}

/// The command, and the sentence without it: the quoted text, or else the text between the verb and
/// the container. A container right after the verb stands before the command.
fn command(sentence: &str) -> Option<(String, String)> {
    for quote in QUOTES {
        let mut parts = sentence.splitn(3, quote);
        if let (Some(before), Some(inner), Some(after)) = (parts.next(), parts.next(), parts.next())
            && !inner.trim().is_empty()
        {
            return Some((inner.trim().to_owned(), format!("{before} {after}")));
        }
    }
    let lower = sentence.to_ascii_lowercase();
    let start = ["run ", "execute ", "exec "]
        .iter()
        .filter_map(|verb| Some((lower.find(verb)?, verb.len())))
        .min()
        .map(|(verb, length)| verb + length)?;
    let rest = &sentence[start..];
    let tokens = tokens(rest);
    let (begin, end) = match place(&tokens) {
        Some(length) => (tokens.get(length)?.0, rest.len()),
        None => {
            let named = (1..tokens.len())
                .rev()
                .find(|at| place(&tokens[*at..]).is_some());
            (0, named.map_or(rest.len(), |at| tokens[at].0))
        }
    };
    let text = rest[begin..end].trim();
    let text = text.trim_end_matches(['.', '?', '!']).trim();
    let text = text.strip_prefix("the command ").unwrap_or(text);
    let place = format!("{}{} {}", &sentence[..start], &rest[..begin], &rest[end..]);
    (!text.is_empty()).then(|| (text.to_owned(), place))
}

/// The words of a text, lower case and without punctuation, with where they begin.
fn tokens(text: &str) -> Vec<(usize, String)> {
    let mut end = 0;
    let tokens = text.split_inclusive(char::is_whitespace).map(|token| {
        let start = end;
        end += token.len();
        (start, token.trim())
    });
    tokens
        .filter(|(_, token)| !token.is_empty())
        .map(|(start, token)| {
            let word = token.trim_end_matches(|c: char| c.is_ascii_punctuation());
            (start, word.to_ascii_lowercase())
        })
        .collect()
}

/// How many of the first words name a container: `in container 100`, `on it`, `in my box`.
fn place(tokens: &[(usize, String)]) -> Option<usize> {
    let word = |at: usize| tokens.get(at).map_or("", |(_, word)| word.as_str());
    let is_number =
        |at: usize| word(at).len() > 2 && word(at).bytes().all(|byte| byte.is_ascii_digit());
    if !["in", "on", "inside"].contains(&word(0)) {
        return None;
    }
    match word(1) {
        "it" => return Some(2),
        "my" if !word(2).is_empty() => return Some(if is_number(3) { 4 } else { 3 }),
        _ if is_number(1) => return Some(2),
        _ => {}
    }
    let kind = if ["the", "this", "that"].contains(&word(1)) {
        2
    } else {
        1
    };
    let is_container = ["container", "ct", "ctid", "lease"].contains(&word(kind));
    is_container.then(|| {
        if is_number(kind + 1) {
            kind + 2
        } else {
            kind + 1
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_told_from_the_place_where_it_runs() {
        let cases = [
            ("run uptime in container 40200", "uptime", Some(40200)),
            ("Run uptime on 40200, please", "uptime", Some(40200)),
            ("in container 40200, run uptime", "uptime", Some(40200)),
            (
                "run in container 40200: sleep 100",
                "sleep 100",
                Some(40200),
            ),
            ("run in 40200: sleep 100", "sleep 100", Some(40200)),
            (
                "please run in the container 40200 sleep 100",
                "sleep 100",
                Some(40200),
            ),
            ("run on my container: sleep 100", "sleep 100", None),
            (
                "run in it: ls in container 200",
                "ls in container 200",
                None,
            ),
            (
                "run echo in it in container 40200",
                "echo in it",
                Some(40200),
            ),
            (
                "run `kill 4000` in container 40200",
                "kill 4000",
                Some(40200),
            ),
            (
                "run in container 40200: `kill 4000`",
                "kill 4000",
                Some(40200),
            ),
            ("run the command sleep 100", "sleep 100", None),
            (
                "run grep -r in /etc in my container",
                "grep -r in /etc",
                None,
            ),
        ];
        for (sentence, command, container) in cases {
            let found = RunRequest::find(sentence).unwrap();
            assert_eq!(
                (found.command.as_str(), found.container()),
                (command, container),
                "{sentence}"
            );
            assert!(!found.background, "{sentence}");
        }
    }

    #[test]
    fn a_place_alone_is_no_command() {
        for sentence in [
            "run in container 40200",
            "run in it.",
            "run in 40200 in the background",
        ] {
            assert_eq!(RunRequest::find(sentence), None, "{sentence}");
        }
    }

    #[test]
    fn the_background_may_stand_before_the_command() {
        for sentence in [
            "run in container 40200 in the background: sleep 100",
            "run in the background in container 40200: sleep 100",
            "run sleep 100 in the background in container 40200",
            "run sleep 100 in container 40200 in the background",
        ] {
            let found = RunRequest::find(sentence).unwrap();
            assert_eq!(found.command, "sleep 100", "{sentence}");
            assert_eq!(
                (found.container(), found.background),
                (Some(40200), true),
                "{sentence}"
            );
        }
    }
}
