//! The toy's commands.

use std::time::Duration;

use super::machine::{ENTRY, Machine, OUTPUT, Report};
use super::network_commands;

/// Runs one command and gives its exit code.
pub(super) fn run(machine: &mut Machine, arguments: &[String], report: &mut Report) -> i32 {
    let name = arguments[0].as_str();
    let rest: Vec<&str> = arguments[1..].iter().map(String::as_str).collect();
    let options = rest.iter().filter(|one| one.starts_with('-')).count();
    let operands: Vec<&str> = rest
        .iter()
        .copied()
        .filter(|one| !one.starts_with('-'))
        .collect();
    let out = |report: &mut Report, text: &str| report.stdout.extend(text.as_bytes());
    let fail = |report: &mut Report, text: String, code: i32| {
        report.stderr.extend(format!("{text}\n").into_bytes());
        code
    };
    match name {
        ":" | "true" | "unset" | "stty" | "export" | "set" | "kill" | "wait" => 0,
        "false" => 1,
        "echo" => {
            let newline = rest.first() != Some(&"-n");
            let text = if newline { &rest[..] } else { &rest[1..] }.join(" ");
            out(report, &text);
            out(report, if newline { "\n" } else { "" });
            0
        }
        "printf" => {
            out(report, &format(&rest));
            0
        }
        "pwd" => {
            let folder = machine.folder.clone();
            out(report, &format!("{folder}\n"));
            0
        }
        "cd" => {
            let target = machine.absolute(operands.first().unwrap_or(&"/root"));
            if machine.files.get(&target) != Some(&None) {
                return fail(report, format!("sh: 1: cd: can't cd to {target}"), 2);
            }
            machine.folder = target;
            0
        }
        "whoami" => {
            out(report, "root\n");
            0
        }
        "id" => {
            out(
                report,
                if rest == ["-u"] {
                    "0\n"
                } else {
                    "uid=0(root) gid=0(root) groups=0(root)\n"
                },
            );
            0
        }
        "hostname" => {
            let text = format!("{}\n", machine.hostname);
            out(report, &text);
            0
        }
        "uname" => {
            let text = match rest.first() {
                Some(&"-a") => format!(
                    "Linux {} 6.14.8-2-pve #1 SMP toy x86_64 GNU/Linux\n",
                    machine.hostname
                ),
                Some(&"-n") => format!("{}\n", machine.hostname),
                Some(&"-r") => "6.14.8-2-pve\n".to_owned(),
                _ => "Linux\n".to_owned(),
            };
            out(report, &text);
            0
        }
        "env" => {
            let text: String = machine
                .variables
                .iter()
                .map(|(name, value)| format!("{name}={value}\n"))
                .collect();
            out(report, &text);
            0
        }
        "ls" => list(machine, operands.first().copied(), options > 0, report),
        "cat" => {
            let mut code = 0;
            for operand in operands {
                if report.stdout.len() > OUTPUT {
                    break;
                }
                match machine.files.get(&machine.absolute(operand)) {
                    Some(Some(content)) => report.stdout.extend(content),
                    Some(None) => code = fail(report, format!("cat: {operand}: Is a directory"), 1),
                    None => {
                        code = fail(
                            report,
                            format!("cat: {operand}: No such file or directory"),
                            1,
                        )
                    }
                }
            }
            code
        }
        "touch" | "mkdir" => {
            for operand in operands {
                let content = (name == "touch").then(Vec::new);
                let path = machine.absolute(operand);
                if !machine.files.contains_key(&path) && !machine.has_room(path.len() + ENTRY) {
                    let text = format!("{name}: cannot make '{operand}': No space left on device");
                    return fail(report, text, 1);
                }
                machine.files.entry(path).or_insert(content);
            }
            0
        }
        "rm" | "rmdir" => {
            let mut code = 0;
            for operand in operands {
                let path = machine.absolute(operand);
                let below = format!("{path}/");
                let before = machine.files.len();
                machine
                    .files
                    .retain(|name, _| *name != path && !name.starts_with(&below) || name == "/");
                if machine.files.len() == before && options == 0 {
                    code = fail(
                        report,
                        format!("rm: cannot remove '{operand}': No such file or directory"),
                        1,
                    );
                }
            }
            code
        }
        "sleep" => {
            let seconds: f64 = operands
                .first()
                .and_then(|text| text.parse().ok())
                .filter(|seconds: &f64| seconds.is_finite())
                .unwrap_or(0.0);
            machine.pause += Duration::from_secs_f64(seconds.clamp(0.0, 1e6));
            0
        }
        "poweroff" | "halt" => {
            machine.power_off = true;
            0
        }
        "exit" => {
            machine.exited = true;
            operands
                .first()
                .and_then(|code| code.parse::<i32>().ok())
                .map_or(machine.code, |code| code & 0xff)
        }
        "help" => {
            out(
                report,
                "A toy shell: cat cd echo env exit false hostname id ls mkdir printf pwd rm sleep touch true uname whoami\n",
            );
            0
        }
        other => network_commands::run(machine, other, &rest, report)
            .unwrap_or_else(|| fail(report, format!("sh: 1: {other}: not found"), 127)),
    }
}

fn list(machine: &Machine, operand: Option<&str>, all: bool, report: &mut Report) -> i32 {
    let path = machine.absolute(operand.unwrap_or("."));
    match machine.files.get(&path) {
        None => {
            let text = format!("ls: cannot access '{path}': No such file or directory\n");
            report.stderr.extend(text.into_bytes());
            2
        }
        Some(Some(_)) => {
            report
                .stdout
                .extend(format!("{}\n", operand.unwrap_or_default()).into_bytes());
            0
        }
        Some(None) => {
            let below = if path == "/" {
                "/".to_owned()
            } else {
                format!("{path}/")
            };
            for name in machine.files.keys() {
                let inside = name
                    .strip_prefix(&below)
                    .filter(|rest| !rest.is_empty() && !rest.contains('/'));
                if let Some(inside) = inside.filter(|inside| all || !inside.starts_with('.')) {
                    report.stdout.extend(format!("{inside}\n").into_bytes());
                }
            }
            0
        }
    }
}

/// `printf` with `%s`, `%d`, `%%` and the usual escapes.
fn format(arguments: &[&str]) -> String {
    let mut words = arguments.iter().skip(1);
    let mut text = String::new();
    let mut template = arguments.first().copied().unwrap_or_default().chars();
    while let Some(c) = template.next() {
        match c {
            '\\' => match template.next() {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some('r') => text.push('\r'),
                Some(other) => text.push(other),
                None => text.push('\\'),
            },
            '%' => match template.next() {
                Some('s' | 'd') => text.push_str(words.next().copied().unwrap_or_default()),
                Some(other) => text.push(other),
                None => text.push('%'),
            },
            other => text.push(other),
        }
    }
    text
}
