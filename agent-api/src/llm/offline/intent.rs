//! Finds the intent of a sentence.

use super::words::{self, Word, container_number, runs_a_command};

/// The request that a sentence makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intent {
    Lease,
    Quote,
    Renew,
    Run,
    Console,
    List,
    Stop,
    Start,
    Destroy,
    NodeStats,
    LxcStats,
    Traffic,
    /// About files, background commands, published ports or the SSH server of a container.
    Inside,
    Help,
    Greeting,
    Thanks,
    Yes,
    No,
}

/// Decisive words, in the order in which they are looked for: `what would it cost to lease` is a
/// question about a price.
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

const TRAFFIC: &[&str] = &["traffic", "bandwidth", "sent"];

/// The intent of a sentence, if it has one.
pub(super) fn find_intent(words: &[Word]) -> Option<Intent> {
    let has = |wanted: &[&str]| words::has(words, wanted);
    let follows = |first: &str, second: &str| words::follows(words, first, second);
    // The command line may have any word: `run kill 7 in container 100`.
    if runs_a_command(words) {
        return Some(Intent::Run);
    }
    if has(&["help", "commands"]) || follows("can", "you") && follows("you", "do") {
        return Some(Intent::Help);
    }
    // `how much traffic have I used` does not ask for a price.
    if has(TRAFFIC) && !has(&["run", "exec", "execute", "cost", "costs", "price", "lease"]) {
        return Some(Intent::Traffic);
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
    // Any other decisive word counts more than these: `run systemctl stop nginx in container 100`.
    if matches!(decided, None | Some((Intent::Lease, _)))
        && let Some(intent) = power(words)
    {
        return Some(intent);
    }
    if let Some((intent, _)) = decided {
        return Some(*intent);
    }
    if has(&["hi", "hello", "hey", "moin"]) {
        Some(Intent::Greeting)
    } else if has(&["thanks", "thank", "thx"]) {
        Some(Intent::Thanks)
    } else if has(&["yes", "ok", "okay", "sure", "confirm", "confirmed", "yep"]) {
        Some(Intent::Yes)
    } else if has(&["no", "stop", "cancel", "never"]) {
        Some(Intent::No)
    } else {
        None
    }
}

/// `stop container 100` and `start it` are about an existing container. Without one, `stop` means
/// to end what the assistant is doing, and `start a container` asks for a new one.
fn power(words: &[Word]) -> Option<Intent> {
    let of_one = container_number(words).is_some()
        || words.iter().any(|word| ["it", "my"].contains(&word.text()));
    words
        .iter()
        .find_map(|word| match word.text() {
            "stop" | "halt" | "shutdown" => Some(Intent::Stop),
            "start" | "boot" => Some(Intent::Start),
            _ => None,
        })
        .filter(|_| of_one)
}

#[cfg(test)]
mod tests {
    use super::{super::words::split, *};

    #[test]
    fn plain_requests_have_their_intents() {
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
            ("stop container 100", Some(Intent::Stop)),
            ("please stop it", Some(Intent::Stop)),
            ("stop", Some(Intent::No)),
            ("start 100 again", Some(Intent::Start)),
            ("start a container for 100 minutes", Some(Intent::Lease)),
            (
                "run systemctl stop nginx in container 100",
                Some(Intent::Run),
            ),
            ("how busy are the hosts?", Some(Intent::NodeStats)),
            ("show container stats", Some(Intent::LxcStats)),
            ("how much traffic have I used?", Some(Intent::Traffic)),
            ("what bandwidth does 100 have left", Some(Intent::Traffic)),
            ("how much has container 100 sent?", Some(Intent::Traffic)),
            ("what does traffic cost?", Some(Intent::Quote)),
            ("run kill 7 in container 100", Some(Intent::Run)),
            (
                "please run `delete from t` in container 100",
                Some(Intent::Run),
            ),
            ("run traffic-report in container 100", Some(Intent::Run)),
            ("help", Some(Intent::Help)),
            ("what can you do?", Some(Intent::Help)),
            ("hello", Some(Intent::Greeting)),
            ("thanks!", Some(Intent::Thanks)),
            ("yes, do it", Some(Intent::Yes)),
            ("for an hour", None),
            ("write me a poem about cheese", None),
        ];
        for (sentence, expected) in cases {
            assert_eq!(find_intent(&split(sentence)), expected, "{sentence}");
        }
    }
}
