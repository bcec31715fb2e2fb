//! Requests about the files, background commands, ports and the SSH server of a container: `write
//! hello to /srv/a`, `what does command cmd_1 say`. They are found by the first verb and by a path or
//! an id, because the content of a file may have any words.

use serde_json::{Value, json};

use super::{
    NextStep, answer,
    paths::{self, FoundPath, QUOTES},
    ports::{self, PortAction},
    serve::{ServePlan, ServeRequest},
    words::{self, Word, has},
};

/// The folder whose files are listed where none is named, as on the board.
const HOME: &str = "/root";

/// A request, and the words of its sentence in which the container is named.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct InsideRequest {
    action: InsideAction,
    place: Vec<Word>,
}

#[derive(Debug, Clone, PartialEq)]
enum InsideAction {
    ListFiles(String),
    ReadFile {
        path: String,
        offset: u64,
    },
    WriteFile {
        path: String,
        content: String,
    },
    MakeDirectory(String),
    Move {
        path: String,
        to: String,
    },
    Remove {
        path: String,
        recursive: bool,
    },
    ListCommands,
    ReadCommand(Option<String>),
    StopCommand {
        id: Option<String>,
        signal: &'static str,
    },
    ShowAccess,
    SetUpSsh,
    Port(PortAction),
    Serve(ServeRequest),
    UnclearServe,
}

impl InsideRequest {
    /// Finds the request of a sentence. A sentence that begins with `run` has none: it is a command
    /// line, whatever stands in it.
    pub(super) fn find(sentence: &str) -> Option<Self> {
        let words = words::split(sentence);
        if words::runs_a_command(&words) {
            return None;
        }
        let paths = paths::find(sentence);
        if let Some((request, place)) = ServeRequest::find(&words, sentence, &paths) {
            let action = request.map_or(InsideAction::UnclearServe, InsideAction::Serve);
            return Some(Self { action, place });
        }
        if let Some(action) = file_action(sentence, &words, &paths) {
            return Some(Self {
                place: words::split(&without(sentence, &paths, &action)),
                action,
            });
        }
        if let Some((action, place)) = ports::find(&words) {
            let action = InsideAction::Port(action);
            return Some(Self { action, place });
        }
        let action = command_action(sentence, &words).or_else(|| ssh_action(&words))?;
        let place = match command_id(sentence) {
            Some(id) => words::split(&sentence.replace(id, " ")),
            None => words,
        };
        Some(Self { action, place })
    }

    /// The words in which the container is named.
    pub(super) fn place(&self) -> &[Word] {
        &self.place
    }

    /// Whether strangers may see a container by it, so that which one is never guessed.
    pub(super) fn publishes(&self) -> bool {
        matches!(self.action, InsideAction::Port(_) | InsideAction::Serve(_))
    }

    /// The question about a request that can be meant in more than one way, whatever the container
    /// is.
    pub(super) fn question(&self) -> Option<&'static str> {
        match self.action {
            InsideAction::Port(PortAction::Unclear) => Some(answer::WHICH_PORT),
            InsideAction::UnclearServe => Some(answer::SERVE_WHAT),
            _ => None,
        }
    }

    /// The file that it writes.
    fn written(self) -> Option<String> {
        match self.action {
            InsideAction::WriteFile { path, .. } => Some(path),
            _ => None,
        }
    }

    /// The plan of a request to serve a page from this container.
    pub(super) fn serve_plan<'a>(
        self,
        ctid: u64,
        before: impl Iterator<Item = &'a str>,
    ) -> Option<ServePlan> {
        let InsideAction::Serve(request) = self.action else {
            return None;
        };
        Some(request.plan(ctid, Self::written_before(before)))
    }

    /// The file that the customer wrote last.
    fn written_before<'a>(mut before: impl Iterator<Item = &'a str>) -> Option<String> {
        before.find_map(|said| Self::find(said)?.written())
    }

    /// The tool call for this container. `before` are the texts of the conversation, the last first,
    /// for a command that is meant without its id.
    pub(super) fn step<'a>(self, ctid: u64, mut before: impl Iterator<Item = &'a str>) -> NextStep {
        let mut id_of =
            |id: Option<String>| id.or_else(|| before.find_map(command_id).map(str::to_owned));
        let (tool, mut arguments) = match self.action {
            InsideAction::ListFiles(path) => ("list_container_files", json!({ "path": path })),
            InsideAction::ReadFile { path, offset: 0 } => {
                ("read_container_file", json!({ "path": path }))
            }
            InsideAction::ReadFile { path, offset } => (
                "read_container_file",
                json!({ "path": path, "offset": offset }),
            ),
            InsideAction::WriteFile { path, content } => (
                "write_container_file",
                json!({ "path": path, "content": content }),
            ),
            InsideAction::MakeDirectory(path) => (
                "change_container_files",
                json!({ "action": "make_directory", "path": path }),
            ),
            InsideAction::Move { path, to } => (
                "change_container_files",
                json!({ "action": "move", "path": path, "to": to }),
            ),
            InsideAction::Remove { path, recursive } => {
                let mut arguments = json!({ "action": "remove", "path": path });
                if recursive {
                    arguments["recursive"] = Value::Bool(true);
                }
                ("change_container_files", arguments)
            }
            InsideAction::ListCommands => ("list_container_commands", json!({})),
            InsideAction::ReadCommand(id) => match id_of(id) {
                Some(id) => ("read_container_command", json!({ "commandId": id })),
                None => return NextStep::Say(answer::WHICH_COMMAND_ID.to_owned()),
            },
            InsideAction::StopCommand { id, signal } => match id_of(id) {
                Some(id) => (
                    "stop_container_command",
                    json!({ "commandId": id, "signal": signal }),
                ),
                None => return NextStep::Say(answer::WHICH_COMMAND_ID.to_owned()),
            },
            InsideAction::ShowAccess => ("get_container_access", json!({})),
            InsideAction::SetUpSsh => ("set_up_container_ssh", json!({})),
            InsideAction::Port(PortAction::Expose { port, access }) => {
                ("expose_port", json!({ "port": port, "access": access }))
            }
            InsideAction::Port(PortAction::List) => ("list_ports", json!({})),
            InsideAction::Port(PortAction::Close { port }) => {
                ("close_port", json!({ "port": port }))
            }
            InsideAction::Port(PortAction::Unclear) => {
                return NextStep::Say(answer::WHICH_PORT.to_owned());
            }
            InsideAction::Serve(request) => {
                return request.plan(ctid, Self::written_before(before)).begin();
            }
            InsideAction::UnclearServe => return NextStep::Say(answer::SERVE_WHAT.to_owned()),
        };
        arguments["ctid"] = json!(ctid);
        NextStep::Call(tool, arguments)
    }
}

fn file_action(sentence: &str, words: &[Word], paths: &[FoundPath]) -> Option<InsideAction> {
    let Some(first) = paths.first() else {
        return lists_files(words).then(|| InsideAction::ListFiles(HOME.to_owned()));
    };
    let path = first.path.clone();
    let (verb, verb_end) = first_verb(&sentence[..first.start])?;
    let directory = has(words, &["directory", "directories", "folder", "folders"]);
    Some(match verb {
        Verb::Write => {
            // The last path is the file; others are part of the content.
            let last = paths.last()?;
            InsideAction::WriteFile {
                path: last.path.clone(),
                content: content(&sentence[verb_end..last.start])?,
            }
        }
        Verb::Make if directory => InsideAction::MakeDirectory(path),
        Verb::MakeDirectory => InsideAction::MakeDirectory(path),
        Verb::Move => InsideAction::Move {
            path,
            to: paths.get(1)?.path.clone(),
        },
        Verb::Remove => {
            let all = ["everything", "recursively", "contents"];
            InsideAction::Remove {
                path,
                recursive: has(words, &all),
            }
        }
        Verb::List => InsideAction::ListFiles(path),
        Verb::Show if directory || has(words, &["files"]) || path.ends_with('/') => {
            InsideAction::ListFiles(path)
        }
        Verb::Show => InsideAction::ReadFile {
            path,
            offset: first_byte(words),
        },
        Verb::Make => return None,
    })
}

/// `list the files of container 100`, which names no folder.
fn lists_files(words: &[Word]) -> bool {
    let asks = ["list", "show", "what", "which", "see", "display", "view"];
    words::first_verb(words) == Some("ls")
        || has(words, &["files"])
            && words::first_verb(words).is_some_and(|verb| asks.contains(&verb))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    List,
    Show,
    Write,
    Make,
    MakeDirectory,
    Move,
    Remove,
}

/// The first verb that these rules know, and where it ends.
fn first_verb(text: &str) -> Option<(Verb, usize)> {
    let mut end = 0;
    text.split_inclusive(char::is_whitespace).find_map(|token| {
        end += token.len();
        let word = token.trim().trim_matches(|c: char| !c.is_alphanumeric());
        let verb = match word.to_lowercase().as_str() {
            "list" | "ls" | "files" => Verb::List,
            "show" | "read" | "cat" | "print" | "display" | "view" | "open" | "what" | "what's" => {
                Verb::Show
            }
            "write" | "save" | "put" => Verb::Write,
            "make" | "create" => Verb::Make,
            "mkdir" => Verb::MakeDirectory,
            "move" | "rename" | "mv" => Verb::Move,
            "delete" | "remove" | "rm" | "erase" => Verb::Remove,
            _ => return None,
        };
        Some((verb, end))
    })
}

/// The content of `write CONTENT to`: the quoted text, or else all of it. A line break ends a text
/// file.
fn content(text: &str) -> Option<String> {
    let text = text.trim();
    let lower = text.to_lowercase();
    let links = [" to file", " to the file", " into", " to", " in"];
    let link = links.iter().find(|link| lower.ends_with(*link))?;
    let text = text[..text.len() - link.len()].trim();
    let quoted = QUOTES
        .iter()
        .find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote));
    let text = quoted.unwrap_or(text);
    (!text.is_empty()).then(|| format!("{text}\n"))
}

/// The number in `from byte 8192`.
fn first_byte(words: &[Word]) -> u64 {
    let number = words.windows(2).find_map(|pair| match pair {
        [Word::Text(word), Word::Number(number)] if word == "byte" && *number >= 0.0 => {
            Some(*number as u64)
        }
        _ => None,
    });
    number.unwrap_or(0)
}

/// The sentence without paths and content, whose numbers are no container's.
fn without(sentence: &str, paths: &[FoundPath], action: &InsideAction) -> String {
    if let InsideAction::WriteFile { .. } = action {
        let begin = first_verb(sentence).map_or(0, |(_, end)| end);
        let end = paths.last().map_or(begin, |path| path.end);
        return format!("{} {}", &sentence[..begin], &sentence[end..]);
    }
    let rest = paths::without(sentence, paths);
    match action {
        InsideAction::ReadFile { offset, .. } if *offset > 0 => {
            rest.replace(&format!("byte {offset}"), " ")
        }
        _ => rest,
    }
}

/// The id of a background command in a text.
fn command_id(text: &str) -> Option<&str> {
    let outside = |c: char| !c.is_ascii_alphanumeric() && c != '_';
    text.split(outside)
        .find(|word| word.len() > "cmd_".len() && word.starts_with("cmd_"))
}

fn command_action(sentence: &str, words: &[Word]) -> Option<InsideAction> {
    if has(words, &["commands"]) {
        let placed = has(words, &["background"]) || words::container_number(words).is_some();
        return placed.then_some(InsideAction::ListCommands);
    }
    let id = command_id(sentence).map(str::to_owned);
    if id.is_none() && !has(words, &["command"]) {
        return None;
    }
    let reads = [
        "say", "says", "said", "output", "print", "printed", "show", "read", "doing",
    ];
    if has(words, &["kill"]) {
        Some(InsideAction::StopCommand { id, signal: "KILL" })
    } else if has(words, &["stop", "end", "terminate", "cancel", "interrupt"]) {
        Some(InsideAction::StopCommand { id, signal: "TERM" })
    } else if id.is_some() || has(words, &reads) {
        Some(InsideAction::ReadCommand(id))
    } else {
        None
    }
}

/// A question how a container is reached costs nothing; only one for a terminal opens one.
fn ssh_action(words: &[Word]) -> Option<InsideAction> {
    let other = [
        "lease", "rent", "cost", "costs", "price", "console", "terminal", "shell",
    ];
    if has(words, &other) {
        return None;
    }
    let ssh = has(words, &["ssh"]);
    let enters = ["into", "inside"];
    let enters = enters.iter().any(|word| words::follows(words, "get", word))
        || ["log", "login", "connect", "reach"]
            .iter()
            .any(|word| has(words, &[word]));
    let asks = [
        "what", "how", "show", "is", "does", "works", "working", "why", "where",
    ];
    let asks = has(words, &asks) || words::follows(words, "can", "i");
    if ssh && has(words, &["set", "setup", "install", "enable"]) {
        Some(InsideAction::SetUpSsh)
    } else if asks && (ssh || enters || has(words, &["access", "reached"])) {
        Some(InsideAction::ShowAccess)
    } else {
        None
    }
}
