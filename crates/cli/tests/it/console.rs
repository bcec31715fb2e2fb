//! `infra402 console`, on a terminal and fed from a pipe, and the shell of `lease --ssh` where there
//! is no SSH.

use std::io::{Read as _, Write as _};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use crate::{market::Market, program::Program};

/// Runs the program in a terminal of 132 columns, where each of these is typed once what stands
/// beside it is shown; its exit status and what was shown.
async fn in_a_terminal(
    program: &Program,
    arguments: &[&str],
    typed: Vec<(&'static str, &'static str)>,
) -> (u32, String) {
    let size = PtySize {
        rows: 43,
        cols: 132,
        ..PtySize::default()
    };
    let pair = native_pty_system().openpty(size).unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_infra402"));
    command.args(arguments);
    command.cwd(program.folder.path());
    command.env_clear();
    command.env("INFRA402_API", &program.api);
    command.env("INFRA402_STATE", program.path("state"));
    command.env("INFRA402_KEY", program.key());
    let mut child = pair.slave.spawn_command(command).unwrap();
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().unwrap();
    let mut writer = pair.master.take_writer().unwrap();
    let talk = move || {
        let (mut shown, mut from) = (String::new(), 0);
        let mut typed = typed.into_iter().peekable();
        let mut piece = [0; 1024];
        // Linux ends the reads with an error once the other side of the terminal is closed.
        while let Ok(length @ 1..) = reader.read(&mut piece) {
            shown.push_str(&String::from_utf8_lossy(&piece[..length]));
            if let Some((_, keys)) = typed.next_if(|(awaited, _)| shown[from..].contains(awaited)) {
                from = shown.len();
                writer.write_all(keys.as_bytes()).unwrap();
            }
        }
        (child.wait().unwrap().exit_code(), shown)
    };
    tokio::task::spawn_blocking(talk).await.unwrap()
}

#[tokio::test]
async fn a_lease_without_ssh_ends_in_a_shell_of_its_console_and_says_why() {
    let market = Market::open().await;
    let program = market.customer(1).await;
    let typed = vec![
        ("which costs a call", "stty size; echo is-$((40+2))\r"),
        ("is-42", "exit\r"),
    ];
    let lease = ["--yes", "lease", "box", "--ssh"];
    let (status, shown) = in_a_terminal(&program, &lease, typed).await;
    assert_eq!(status, 0, "{shown}");
    assert!(shown.contains("no SSH into the container ("), "{shown}");
    assert!(
        shown.contains("43 132\r\n"),
        "its size is the terminal's: {shown}"
    );

    let before = market.balance(program.wallet()).await;
    let ran = program
        .fed(&["console", "box"], b"echo is-$((2+3))\n")
        .await;
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.text().contains("is-5"), "{}", ran.text());
    assert_eq!(market.balance(program.wallet()).await, before - 1_000);
    let ran = program.run(&["--json", "console", "box"]).await;
    assert_eq!(ran.status, 2, "{}", ran.stderr);
}
