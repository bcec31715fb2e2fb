//! What is read of a container's files, which its root may have written. The scripts themselves
//! are tested in a container, in `tests/it/ssh`.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use api_types::CommandState;

use super::{record::CommandRecord, scripts::head_of, *};

#[test]
fn a_line_is_read_and_nothing_else_is() {
    let line = "cmd_1 ended 3 1700000000 1700000005 12 0 ZWNobw==";
    let record = CommandRecord::read(line).unwrap();
    assert_eq!(record.state, CommandState::Ended);
    assert_eq!(
        (record.status, record.ended),
        (Some(3), Some(1_700_000_005))
    );
    assert_eq!((record.stdout, record.stderr), (12, 0));
    assert_eq!(record.view().command, "echo");
    let running = CommandRecord::read("cmd_1 running - 1700000000 - 0 0 ").unwrap();
    assert_eq!((running.status, running.ended), (None, None));
    for other in [
        "",
        "cmd_1",
        "cmd_1 asleep 0 1 1 1 1 ",
        "../x ended 0 1 1 1 1 ",
        "cmd_1 ended 0 x 1 1 1 ",
        "cmd_1 ended 0 1 1 -5 1 ",
        "cmd_1 ended 0 1 1 1 1 %%%",
    ] {
        assert_eq!(CommandRecord::read(other), None, "{other:?}");
    }
}

#[test]
fn what_a_container_forges_is_shown_and_breaks_nothing() {
    let line = format!("cmd_1 ended 99999999999 {} {} 1 1 ", i64::MAX, i64::MIN);
    let view = CommandRecord::read(&line).unwrap().view();
    assert_eq!(view.exit_code, None);
    assert!(serde_json::to_string(&view).is_ok());
}

#[test]
fn a_payment_names_its_command_and_an_id_is_no_path() {
    let id = command_id(&"pay_3f9a6c2e81b04d7755aa".into());
    assert_eq!(id, "cmd_3f9a6c2e81b04d7755aa");
    assert!(is_command_id(&id));
    for other in ["", "cmd", "cmd_a/b", "cmd_..", "x_1", "cmd_$a", "cmd_a b"] {
        assert!(!is_command_id(other), "{other:?}");
    }
}

#[test]
fn the_head_of_a_long_command_ends_with_a_whole_character() {
    assert_eq!(head_of("short"), "short");
    let long = "é".repeat(150);
    assert_eq!(head_of(&long).len(), 200);
    let odd = format!("a{long}");
    assert_eq!(head_of(&odd).len(), 199);
}

/// The script that begins a command, with another folder than the container's.
struct Begin {
    folder: tempfile::TempDir,
    command: GuestCommand,
}

impl Begin {
    fn new(command: GuestCommand) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder, command }
    }

    /// Sends the request with as much of its input; its exit status.
    fn send(&self, bytes: usize) -> Option<i32> {
        let request = begin_request("cmd_1", &self.command);
        let folder = self.folder.path().join("commands");
        let script = request
            .script
            .replacen(scripts::FOLDER, folder.to_str().unwrap(), 1);
        // A leader of its process group, as under sshd.
        let mut shell = Command::new("setsid")
            .args(["-w", "sh", "-c", &script])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = shell.stdin.take().unwrap();
        // One that finds the command there reads no input.
        let _ = input.write_all(&request.stdin[..bytes.min(request.stdin.len())]);
        drop(input);
        shell.wait().unwrap().code()
    }

    fn read(&self, name: &str) -> String {
        let path = self.folder.path().join("commands/cmd_1").join(name);
        std::fs::read_to_string(path).unwrap_or_default()
    }

    fn wait_for_end(&self) {
        let by = Instant::now() + Duration::from_secs(20);
        while self.read("status").is_empty() {
            assert!(Instant::now() < by, "the command does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn counting() -> GuestCommand {
    GuestCommand {
        script: "echo run; cat".to_owned(),
        stdin: b"whole input".to_vec(),
        ..GuestCommand::default()
    }
}

#[test]
fn a_request_that_is_cut_off_begins_nothing_and_the_next_one_begins_it_once() {
    let begin = Begin::new(counting());
    let script = begin.command.script.len();
    for cut in [0, 4, script, script + 5] {
        assert_eq!(begin.send(cut), Some(73), "after {cut} bytes");
        let left = std::fs::read_dir(begin.folder.path().join("commands")).unwrap();
        assert_eq!(left.count(), 0, "after {cut} bytes");
    }
    for _ in 0..3 {
        assert_eq!(begin.send(usize::MAX), Some(0));
        begin.wait_for_end();
        assert_eq!(begin.read("stdout"), "run\nwhole input");
    }
}

#[test]
fn of_requests_at_the_same_moment_one_begins_the_command() {
    for _ in 0..5 {
        let counted = tempfile::NamedTempFile::new().unwrap();
        let begin = Begin::new(GuestCommand {
            script: format!("echo run >>{}", counted.path().display()),
            ..GuestCommand::default()
        });
        std::thread::scope(|scope| {
            let all: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| begin.send(usize::MAX)))
                .collect();
            for one in all {
                assert_eq!(one.join().unwrap(), Some(0));
            }
        });
        begin.wait_for_end();
        let runs = std::fs::read_to_string(counted.path()).unwrap();
        assert_eq!(runs, "run\n");
        let left = std::fs::read_dir(begin.folder.path().join("commands")).unwrap();
        assert_eq!(left.count(), 1);
    }
}
