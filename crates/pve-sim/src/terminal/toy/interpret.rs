//! The toy's language: commands separated by newline, `;`, `&&` and `||`, words with quotes and variables, and redirections to
//! files. What it does not know it refuses the way a shell would.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{commands, network::Network};

/// What a script printed, and its exit code.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    pub(super) code: i32,
}

/// The toy's world.
pub(super) struct Machine {
    pub(super) hostname: String,
    pub(super) folder: String,
    /// Absolute path to content; `None` is a folder.
    pub(super) files: BTreeMap<String, Option<Vec<u8>>>,
    pub(super) variables: BTreeMap<String, String>,
    /// What its programs for a network work on; none where it has no such programs.
    pub(super) network: Option<Network>,
    /// Time that commands asked for; the shell lets it pass.
    pub(super) pause: Duration,
    pub(super) exited: bool,
    pub(super) power_off: bool,
    pub(super) code: i32,
}

impl Machine {
    pub(super) fn new(hostname: &str) -> Self {
        let folders = ["/", "/etc", "/home", "/root", "/tmp", "/var"];
        let mut files: BTreeMap<String, Option<Vec<u8>>> =
            folders.map(|folder| (folder.to_owned(), None)).into();
        files.insert("/etc/hostname".into(), Some(format!("{hostname}\n").into()));
        files.insert(
            "/etc/os-release".into(),
            Some(b"PRETTY_NAME=\"Toy container\"\nID=toy\n".to_vec()),
        );
        let variables = [
            ("HOME", "/root"),
            ("PATH", "/usr/bin:/bin"),
            ("USER", "root"),
        ];
        Self {
            hostname: hostname.to_owned(),
            folder: "/root".into(),
            files,
            variables: variables
                .map(|(name, value)| (name.into(), value.into()))
                .into(),
            network: None,
            pause: Duration::ZERO,
            exited: false,
            power_off: false,
            code: 0,
        }
    }

    pub(super) fn prompt(&self) -> String {
        let folder = self.folder.replace("/root", "~");
        format!("root@{}:{folder}# ", self.hostname)
    }

    /// Runs a script to its end or to `exit`.
    pub(super) fn script(&mut self, text: &str) -> Report {
        let mut report = Report::default();
        self.exited = false;
        for statement in split(text) {
            let skip = match statement.after {
                After::Always => false,
                After::Success => self.code != 0,
                After::Failure => self.code == 0,
            };
            if skip {
                continue;
            }
            self.statement(&statement.words, &mut report);
            if self.exited {
                break;
            }
        }
        report.code = self.code;
        report
    }

    fn statement(&mut self, words: &[Word], report: &mut Report) {
        let mut arguments = Vec::new();
        let mut target: Option<(Target, String)> = None;
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word {
                Word::Redirect(to) => {
                    let name = words
                        .next()
                        .map(|word| self.expand(word))
                        .unwrap_or_default();
                    target = Some((*to, name));
                }
                word => arguments.push(self.expand(word)),
            }
        }
        if let [only] = &arguments[..]
            && let Some((name, value)) = only.split_once('=')
        {
            self.variables.insert(name.into(), value.into());
            self.code = 0;
            return;
        }
        if arguments.is_empty() {
            return;
        }
        let mut own = Report::default();
        self.code = commands::run(self, &arguments, &mut own);
        match target {
            None => {
                report.stdout.extend(own.stdout);
                report.stderr.extend(own.stderr);
            }
            Some((Target::ErrorsToOutput, _)) => {
                report.stdout.extend(own.stdout);
                report.stdout.extend(own.stderr);
            }
            Some((Target::OutputToErrors, _)) => {
                report.stderr.extend(own.stdout);
                report.stderr.extend(own.stderr);
            }
            Some((Target::File { append, errors }, name)) => {
                let (to_file, rest) = if errors {
                    (own.stderr, own.stdout)
                } else {
                    (own.stdout, own.stderr)
                };
                if errors {
                    report.stdout.extend(rest);
                } else {
                    report.stderr.extend(rest);
                }
                self.write(&name, to_file, append);
            }
        }
    }

    fn write(&mut self, name: &str, bytes: Vec<u8>, append: bool) {
        if name == "/dev/null" {
            return;
        }
        let path = self.absolute(name);
        let file = self.files.entry(path).or_insert_with(|| Some(Vec::new()));
        if let Some(content) = file {
            if !append {
                content.clear();
            }
            content.extend(bytes);
        }
    }

    /// A path from the root, without `.` and `..`.
    pub(super) fn absolute(&self, name: &str) -> String {
        let mut parts: Vec<&str> = Vec::new();
        let start = if name.starts_with('/') {
            ""
        } else {
            &self.folder
        };
        for part in start.split('/').chain(name.split('/')) {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop();
                }
                part => parts.push(part),
            }
        }
        format!("/{}", parts.join("/"))
    }

    fn expand(&self, word: &Word) -> String {
        let Word::Text(pieces) = word else {
            return String::new();
        };
        pieces
            .iter()
            .map(|piece| match piece {
                Piece::Plain(text) => text.clone(),
                Piece::Variable(name) if name == "?" => self.code.to_string(),
                Piece::Variable(name) => self.variables.get(name).cloned().unwrap_or_default(),
            })
            .collect()
    }
}

/// When a statement is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    Always,
    Success,
    Failure,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    File { append: bool, errors: bool },
    ErrorsToOutput,
    OutputToErrors,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Plain(String),
    Variable(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    Text(Vec<Piece>),
    Redirect(Target),
}

struct Statement {
    after: After,
    words: Vec<Word>,
}

/// Takes a script apart. Quotes may span lines.
fn split(text: &str) -> Vec<Statement> {
    let mut statements = Vec::new();
    let mut current = Statement {
        after: After::Always,
        words: Vec::new(),
    };
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r']);
        let ends = [
            ("&&", After::Success),
            ("||", After::Failure),
            (";", After::Always),
            ("\n", After::Always),
        ];
        let end = ends.into_iter().find(|(end, _)| rest.starts_with(end));
        if rest.is_empty() || end.is_some() {
            let (length, after) = end.map_or((0, After::Always), |(end, after)| (end.len(), after));
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
        let file = |append, errors| Target::File { append, errors };
        let redirects = [
            ("2>&1", Target::ErrorsToOutput),
            (">&2", Target::OutputToErrors),
            ("2>>", file(true, true)),
            ("2>", file(false, true)),
            (">>", file(true, false)),
            (">", file(false, false)),
        ];
        if let Some((sign, target)) = redirects
            .into_iter()
            .find(|(sign, _)| rest.starts_with(sign))
        {
            current.words.push(Word::Redirect(target));
            rest = &rest[sign.len()..];
            continue;
        }
        let (word, after) = word(rest);
        current.words.push(word);
        rest = after;
    }
}

/// The first word of a text, and what follows it.
fn word(text: &str) -> (Word, &str) {
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
                    pieces.push(Piece::Plain(std::mem::take(&mut plain)));
                    pieces.push(Piece::Variable(name));
                }
            }
            (c, _) => plain.push(c),
        }
    }
    pieces.push(Piece::Plain(plain));
    (Word::Text(pieces), &text[at..])
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

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> (String, String, i32) {
        let report = Machine::new("web").script(text);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (text(report.stdout), text(report.stderr), report.code)
    }

    #[test]
    fn a_small_script_does_what_it_says() {
        assert_eq!(
            run("echo hi > note; cat note"),
            ("hi\n".into(), String::new(), 0)
        );
        assert_eq!(run("x='a b'\necho \"$x\" '$x' ${x}!").0, "a b $x a b!\n");
        assert_eq!(run("false || echo no && echo yes").0, "no\nyes\n");
        assert_eq!(
            run("echo out; echo err >&2; exit 7; echo never"),
            ("out\n".into(), "err\n".into(), 7)
        );
        assert_eq!(run("cd /tmp && pwd").0, "/tmp\n");
        assert_eq!(run("false; echo $?").0, "1\n");
    }

    #[test]
    fn what_it_does_not_know_is_not_found() {
        assert_eq!(
            run("vim x"),
            (String::new(), "sh: 1: vim: not found\n".into(), 127)
        );
    }

    #[test]
    fn no_text_makes_it_panic() {
        for text in [
            "'", "\"$", "${", "> ", "&", "| |", "<", "a\\", "$", ";;", "&&", "2>",
        ] {
            Machine::new("web").script(text);
        }
    }
}
