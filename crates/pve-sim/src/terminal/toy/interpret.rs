//! The toy's language: commands separated by newline, `;`, `&&` and `||`, words with quotes and variables, and redirections to
//! files. What it does not know it refuses the way a shell would.

use super::commands;
use super::machine::{ENTRY, Machine, OUTPUT, Report};
use super::parse::{After, Piece, Target, Word, split};

/// Bytes in the arguments of one command.
const ARGUMENTS: usize = 128 << 10;
/// Bytes that one script may read and print. It runs to its end on a thread that others need.
const WORK: usize = 64 << 20;

impl Machine {
    /// Runs a script to its end or to `exit`.
    pub(super) fn script(&mut self, text: &str) -> Report {
        let mut report = Report::default();
        self.exited = false;
        let mut work = 0;
        for statement in split(text) {
            let skip = match statement.after {
                After::Always => false,
                After::Success => self.code != 0,
                After::Failure => self.code == 0,
            };
            if skip {
                continue;
            }
            work += self.statement(&statement.words, &mut report);
            if report.size() > OUTPUT || work > WORK {
                report.stderr.extend(b"Killed\n");
                self.code = 137;
                break;
            }
            if self.exited {
                break;
            }
        }
        report.code = self.code;
        report
    }

    /// Runs one statement; how many bytes were handled for that.
    fn statement(&mut self, words: &[Word], report: &mut Report) -> usize {
        let mut arguments = Vec::new();
        let mut size = 0;
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
                word => {
                    let argument = self.expand(word);
                    size += argument.len();
                    arguments.push(argument);
                }
            }
            if size > ARGUMENTS {
                report.stderr.extend(b"sh: 1: Argument list too long\n");
                self.code = 126;
                return size;
            }
        }
        if let [only] = &arguments[..]
            && let Some((name, value)) = only.split_once('=')
        {
            self.set(name, value, report);
            return size + self.size();
        }
        if arguments.is_empty() {
            return size;
        }
        let mut own = Report::default();
        self.code = commands::run(self, &arguments, &mut own);
        let handled = size + own.size() + self.size();
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
                self.write(&name, to_file, append, report);
            }
        }
        handled
    }

    fn set(&mut self, name: &str, value: &str, report: &mut Report) {
        if !self.has_room(name.len() + value.len() + ENTRY) {
            report.stderr.extend(b"sh: 1: Out of memory\n");
            self.code = 2;
            return;
        }
        self.variables.insert(name.into(), value.into());
        self.code = 0;
    }

    fn write(&mut self, name: &str, bytes: Vec<u8>, append: bool, report: &mut Report) {
        if name == "/dev/null" {
            return;
        }
        let path = self.absolute(name);
        if !self.has_room(path.len() + bytes.len() + ENTRY) {
            let text = format!("sh: 1: cannot write {path}: No space left on device\n");
            report.stderr.extend(text.into_bytes());
            self.code = 2;
            return;
        }
        let file = self.files.entry(path).or_insert_with(|| Some(Vec::new()));
        if let Some(content) = file {
            if !append {
                content.clear();
            }
            content.extend(bytes);
        }
    }

    fn expand(&self, word: &Word) -> String {
        let Word::Text(pieces) = word else {
            return String::new();
        };
        let mut text = String::new();
        for piece in pieces {
            match piece {
                Piece::Plain(plain) => text.push_str(plain),
                Piece::Variable(name) if name == "?" => text.push_str(&self.code.to_string()),
                Piece::Variable(name) => {
                    text.push_str(self.variables.get(name).map_or("", String::as_str));
                }
            }
            // Too long either way.
            if text.len() > ARGUMENTS {
                break;
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::machine::{ENTRIES, MEMORY};
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
    fn what_grows_without_end_ends_at_the_memory_of_the_container() {
        let mut machine = Machine::new("web");
        let double = "x=$x$x;".repeat(400);
        let report = machine.script(&format!("x=abcdefgh;{double} echo done"));
        let errors = String::from_utf8(report.stderr).unwrap();
        assert!(errors.contains("Argument list too long"), "{errors}");
        assert_eq!(report.stdout, b"done\n");
        let many: String = (0..100).map(|n| format!("y{n}=$x;")).collect();
        let report = machine.script(&many);
        assert!(report.stderr.starts_with(b"sh: 1: Out of memory\n"));
        assert!(machine.size() <= MEMORY);

        let mut machine = Machine::new("web");
        let grow = "cat f f f f > g; cat g g g g > f;".repeat(12);
        let report = machine.script(&format!("echo hello > f;{grow} echo done"));
        let errors = String::from_utf8(report.stderr).unwrap();
        assert!(errors.contains("No space left on device"), "{errors}");
        assert_eq!(report.stdout, b"done\n");
        let names: String = (0..20_000).map(|n| format!("touch name{n};")).collect();
        assert!(!machine.script(&names).stderr.is_empty());
        assert!(machine.files.len() < ENTRIES && machine.size() <= MEMORY);
    }

    #[test]
    fn a_script_that_prints_or_works_without_end_is_killed() {
        let mut machine = Machine::new("web");
        machine.script(&format!("echo {} > f", "x".repeat(100_000)));
        let prints = machine.script(&"cat f f f f f f f f f f;".repeat(10));
        assert_eq!((prints.code, &prints.stderr[..]), (137, &b"Killed\n"[..]));
        assert!(prints.stdout.len() <= 2 * OUTPUT, "{}", prints.stdout.len());
        let works = machine.script(&"cat f f f f f f f f f f >/dev/null;".repeat(1000));
        assert_eq!((works.code, &works.stderr[..]), (137, &b"Killed\n"[..]));
        assert_eq!(machine.script("echo on").stdout, b"on\n", "it goes on");
    }

    #[test]
    fn no_text_makes_it_panic() {
        for text in [
            "'",
            "\"$",
            "${",
            "> ",
            "&",
            "| |",
            "<",
            "a\\",
            "$",
            ";;",
            "&&",
            "2>",
            "sleep nan",
            "sleep inf",
            "exit 99999999999",
        ] {
            Machine::new("web").script(text);
        }
    }
}
