//! What a sentence is about.

use super::words::Word;

/// What the customer wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intent {
    Lease,
    Quote,
    Renew,
    Run,
    Console,
    List,
    Destroy,
    NodeStats,
    LxcStats,
    Help,
    Greeting,
    Thanks,
    No,
}

/// Words that decide, in the order in which they are looked for: `what would it cost to lease` is a question about a price.
const DECISIVE: [(Intent, &[&str]); 9] = [
    (
        Intent::Quote,
        &[
            "cost",
            "costs",
            "price",
            "prices",
            "quote",
            "expensive",
            "cheap",
            "much",
        ],
    ),
    (
        Intent::Destroy,
        &["destroy", "delete", "remove", "kill", "terminate"],
    ),
    (Intent::Renew, &["renew", "extend", "prolong", "longer"]),
    (Intent::Console, &["console", "terminal", "shell", "ssh"]),
    (Intent::Run, &["run", "exec", "execute"]),
    (Intent::List, &["list"]),
    (Intent::NodeStats, &["node", "nodes", "host", "hosts"]),
    (Intent::LxcStats, &["stats", "load", "usage", "busy"]),
    (
        Intent::Lease,
        &[
            "lease",
            "rent",
            "create",
            "start",
            "launch",
            "spin",
            "need",
            "want",
            "new",
            "get",
            "give",
            "container",
            "containers",
            "machine",
        ],
    ),
];

/// The intent of a sentence, if it has one.
pub(super) fn of(words: &[Word]) -> Option<Intent> {
    let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(&word.text()));
    let follows = |first: &str, second: &str| {
        words
            .windows(2)
            .any(|pair| pair[0].text() == first && pair[1].text() == second)
    };
    if has(&["help", "commands"]) || follows("can", "you") && follows("you", "do") {
        return Some(Intent::Help);
    }
    // `what do I have running`, `show my containers`
    let mine =
        has(&["my", "have", "i"]) && has(&["have", "running", "containers", "leases", "machines"]);
    let asks = has(&["what", "which", "show", "see", "any"]);
    if mine
        && asks
        && !has(&["run", "exec", "execute", "cost", "price"])
        && !has(&["stats", "load", "usage", "busy"])
    {
        return Some(Intent::List);
    }
    let decided = DECISIVE.iter().find(|(_, decisive)| has(decisive));
    if let Some((intent, _)) = decided {
        return Some(*intent);
    }
    if has(&["hi", "hello", "hey", "moin"]) {
        Some(Intent::Greeting)
    } else if has(&["thanks", "thank", "thx"]) {
        Some(Intent::Thanks)
    } else if has(&["no", "stop", "cancel", "never"]) {
        Some(Intent::No)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{super::words::split, *};

    #[test]
    fn plain_requests_are_told_apart() {
        let cases = [
            ("Lease 1 core / 512 MB for 30 min", Some(Intent::Lease)),
            ("I need a container for an hour", Some(Intent::Lease)),
            ("How much is 2 cores for a day?", Some(Intent::Quote)),
            (
                "what would it cost to lease a container",
                Some(Intent::Quote),
            ),
            ("extend container 100 by 2 hours", Some(Intent::Renew)),
            ("run uptime in container 100", Some(Intent::Run)),
            ("open a console of 100", Some(Intent::Console)),
            ("What do I have running?", Some(Intent::List)),
            ("show my containers", Some(Intent::List)),
            ("list", Some(Intent::List)),
            ("destroy 100", Some(Intent::Destroy)),
            ("how busy are the hosts?", Some(Intent::NodeStats)),
            ("show container stats", Some(Intent::LxcStats)),
            ("help", Some(Intent::Help)),
            ("what can you do?", Some(Intent::Help)),
            ("hello", Some(Intent::Greeting)),
            ("thanks!", Some(Intent::Thanks)),
            ("for an hour", None),
            ("write me a poem about cheese", None),
        ];
        for (sentence, expected) in cases {
            assert_eq!(of(&split(sentence)), expected, "{sentence}");
        }
    }
}
