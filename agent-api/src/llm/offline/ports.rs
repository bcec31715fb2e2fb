//! Requests about published ports: `publish port 8080 of container 100`, `make port 8080 private
//! again`. What strangers may open is never guessed: a sentence with a negation, two ports, two
//! kinds of access or another wish is answered with examples.

use api_types::PortAccess;

use super::words::{self, Word, has};

/// A request about ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PortAction {
    /// Publishes a port, or changes who may open it.
    Expose {
        /// The port.
        port: u16,
        /// Who may open it.
        access: PortAccess,
    },
    /// Lists the published ports.
    List,
    /// Ends the publication of a port.
    Close {
        /// The port.
        port: u16,
    },
    /// It is about ports, and can be meant in more than one way.
    Unclear,
}

const EXPOSE: &[&str] = &["publish", "expose", "share"];
const CHANGE: &[&str] = &["make", "set", "turn", "switch"];
const CLOSE: &[&str] = &["close", "unpublish", "unexpose", "unshare"];
const END: &[&str] = &["remove", "delete", "stop"];
const PUBLISHING: &[&str] = &["publishing", "exposing", "sharing", "publication"];
const ASKS: &[&str] = &["which", "what", "list", "show", "see", "any", "is", "are"];
const ABOUT_PUBLISHED: &[&str] = &[
    "published",
    "exposed",
    "public",
    "private",
    "shared",
    "open",
    "url",
    "urls",
    "address",
];
/// Verbs of other requests that would be lost, or meant in the place of these.
const OTHER_WISHES: &[&str] = &[
    "destroy",
    "kill",
    "terminate",
    "serve",
    "start",
    "write",
    "install",
    "move",
];
/// What is bought is offered first; it can be asked for again with the rest.
const PURCHASES: &[&str] = &[
    "lease", "rent", "renew", "extend", "cost", "price", "run", "exec",
];
/// Words that turn a request around.
pub(super) const NEGATIONS: &[&str] = &[
    "not", "don't", "dont", "don’t", "never", "no", "without", "cannot", "can't", "can’t",
    "nobody", "except", "instead",
];
const QUESTIONS: &[&str] = &[
    "how", "why", "when", "should", "could", "would", "can", "may",
];

/// The request of a sentence with these words, and its words without the port.
pub(super) fn find(words: &[Word]) -> Option<(PortAction, Vec<Word>)> {
    if has(words, PURCHASES) {
        return None;
    }
    let is_about_ports = has(words, &["port", "ports"]);
    let leads = words::first_verb(words).is_some_and(|verb| {
        EXPOSE.contains(&verb) || ["unpublish", "unexpose", "unshare"].contains(&verb)
    });
    let (ports, place) = ports(words);
    let is_changed = has(words, CHANGE) && access(words) != Some(PortAccess::Owner);
    let names_one = !ports.is_empty() && (has(words, CLOSE) || is_changed || has_private(words));
    (is_about_ports || leads || names_one).then_some(())?;
    Some((action(words, &ports, is_about_ports)?, place))
}

fn action(words: &[Word], ports: &[u64], is_about_ports: bool) -> Option<PortAction> {
    let exposes = has(words, EXPOSE);
    let changes =
        has(words, CHANGE) && (has_private(words) || access(words) != Some(PortAccess::Owner));
    let closes = has(words, CLOSE)
        || has(words, END) && (has(words, PUBLISHING) || is_about_ports && !exposes && !changes);
    if !exposes && !changes && !closes {
        let listed = has(words, ASKS) && has(words, ABOUT_PUBLISHED)
            || has(words, &["list", "show", "which"]) && has(words, &["ports"]);
        let unclear = has(words, &["destroy", "kill", "terminate", "open", "forward"]);
        return match (listed, unclear) {
            (true, _) => Some(PortAction::List),
            (false, true) => Some(PortAction::Unclear),
            (false, false) => None,
        };
    }
    let asks = words
        .first()
        .is_some_and(|word| QUESTIONS.contains(&word.text()))
        && words::first_verb(words).is_none_or(|verb| QUESTIONS.contains(&verb));
    let shares =
        has(words, &["share"]) && access(words) == Some(PortAccess::Owner) && !has_private(words);
    let several = [exposes || changes, closes]
        .iter()
        .filter(|wish| **wish)
        .count()
        > 1;
    if asks || shares || several || has(words, NEGATIONS) || has(words, OTHER_WISHES) {
        return Some(PortAction::Unclear);
    }
    let &[port] = ports else {
        return Some(PortAction::Unclear);
    };
    let Some(port) = u16::try_from(port).ok().filter(|port| *port > 0) else {
        return Some(PortAction::Unclear);
    };
    Some(match (closes, access(words)) {
        (true, _) => PortAction::Close { port },
        (false, Some(access)) => PortAction::Expose { port, access },
        (false, None) => PortAction::Unclear,
    })
}

fn has_private(words: &[Word]) -> bool {
    has(words, &["private", "privately"])
        || ["only", "just", "for"]
            .iter()
            .any(|word| words::follows(words, word, "me"))
}

/// Who may open it; none if the words name more than one. `Give me the link` asks for the address,
/// `by link` and `with a link` for the access.
pub(super) fn access(words: &[Word]) -> Option<PortAccess> {
    let public = [
        "public",
        "publicly",
        "everybody",
        "everyone",
        "anybody",
        "anyone",
        "world",
        "internet",
    ];
    let is_link = |word: &Word| word.text() == "link";
    let by_link = words.iter().enumerate().any(|(at, word)| {
        let mut before = words[..at].iter().rev().map(Word::text);
        let before = before.find(|word| !["a", "the", "its"].contains(word));
        is_link(word) && before.is_some_and(|word| ["by", "with", "via"].contains(&word))
    });
    let named = [
        (has_private(words), PortAccess::Owner),
        (by_link, PortAccess::Link),
        (has(words, &public), PortAccess::Public),
    ];
    let mut named = named
        .into_iter()
        .filter_map(|(is_named, access)| is_named.then_some(access));
    match (named.next(), named.next()) {
        (None, _) => Some(PortAccess::Owner),
        (access, None) => access,
        (Some(_), Some(_)) => None,
    }
}

/// The ports that are named, and the words without them: those after `port`, or else the number
/// after a verb of these requests.
pub(super) fn ports(words: &[Word]) -> (Vec<u64>, Vec<Word>) {
    let (mut ports, mut place) = (Vec::new(), Vec::new());
    let verbs = [EXPOSE, CLOSE, CHANGE, PUBLISHING].concat();
    let has_port = has(words, &["port", "ports"]);
    let mut follows = false;
    for word in words {
        match word {
            Word::Number(number) if follows => {
                // One that is no port at all is still the port that was meant.
                let whole = number.fract() == 0.0 && *number >= 0.0;
                ports.push(if whole { *number as u64 } else { 0 });
            }
            word => {
                let text = word.text();
                follows = match has_port {
                    true => {
                        ["port", "ports"].contains(&text)
                            || follows && ["and", "or", "to"].contains(&text)
                    }
                    false => verbs.contains(&text) || follows && ["and", "or"].contains(&text),
                };
                place.push(word.clone());
            }
        }
    }
    (ports, place)
}

/// The name of a container in `publish port 8080 of box`, where no number names one.
pub(super) fn container_name(place: &[Word]) -> Option<&str> {
    const PREPOSITIONS: [&str; 4] = ["of", "in", "on", "from"];
    const NO_NAMES: [&str; 14] = [
        "container",
        "ct",
        "ctid",
        "lease",
        "it",
        "that",
        "this",
        "the",
        "my",
        "a",
        "port",
        "there",
        "here",
        "internet",
    ];
    place.windows(2).rev().find_map(|pair| {
        let (before, name) = (pair[0].text(), pair[1].text());
        let names = PREPOSITIONS.contains(&before) && !name.is_empty() && !NO_NAMES.contains(&name);
        names.then_some(name)
    })
}
