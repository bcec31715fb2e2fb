//! Commands and terminals.

use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use russh::{Channel, ChannelMsg, Sig, client};
use std::io::{Read as _, Write as _};

use super::place::{Place, TIMEOUT, Way, eventually, next};

async fn a_command_has_input_outputs_and_status(way: Way) {
    let place = Place::new(way).await;
    let done = place.ssh("wc -l; echo error >&2; exit 9", b"a\nb\n").await;
    assert_eq!(done.status.code(), Some(9), "{done:?}");
    assert_eq!(String::from_utf8_lossy(&done.stdout).trim(), "2");
    assert_eq!(String::from_utf8_lossy(&done.stderr), "error\n");
    let who = place
        .ssh("id -u; echo $HOME; echo \"$LANG$SECRET\"", b"")
        .await;
    let who = String::from_utf8(who.stdout).unwrap();
    if way != Way::Plain {
        assert_eq!(who, "0\n/root\n\n");
    }
    place.node.sim.stop().await;
}

#[tokio::test]
#[cfg_attr(
    not(has_ssh_client),
    ignore = "needs OpenSSH's clients (Debian: openssh-client)"
)]
async fn a_command_has_input_outputs_and_status_unconfined() {
    a_command_has_input_outputs_and_status(Way::Plain).await;
}

#[tokio::test]
#[cfg_attr(
    not(has_namespaces),
    ignore = "needs namespaces of ordinary users (Debian: util-linux)"
)]
#[cfg_attr(
    all(has_namespaces, not(has_ssh_client)),
    ignore = "needs OpenSSH's clients (Debian: openssh-client)"
)]
async fn a_command_has_input_outputs_and_status_in_namespaces() {
    a_command_has_input_outputs_and_status(Way::Namespaces).await;
}

#[tokio::test]
#[cfg_attr(
    not(has_bubblewrap),
    ignore = "needs bubblewrap and the right to use it (Debian: bubblewrap)"
)]
#[cfg_attr(
    all(has_bubblewrap, not(has_ssh_client)),
    ignore = "needs OpenSSH's clients (Debian: openssh-client)"
)]
async fn a_command_has_input_outputs_and_status_in_bubblewrap() {
    a_command_has_input_outputs_and_status(Way::Bubblewrap).await;
}

#[tokio::test]
async fn the_status_comes_at_the_end_of_the_command_and_the_close_with_its_last_output() {
    let place = Place::new(Way::Plain).await;
    let client = place.client().await;
    let mut channel = client.begin("sleep 86400 & echo $!; exit 5").await;
    let (mut output, mut status) = (Vec::new(), None);
    while status.is_none() || !output.ends_with(b"\n") {
        match next(&mut channel).await {
            ChannelMsg::Data { data } => output.extend_from_slice(&data),
            ChannelMsg::ExitStatus { exit_status } => status = Some(exit_status),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(status, Some(5));
    // The background command has the pipes, so that the channel is open until it ends.
    let sleeper = String::from_utf8(output).unwrap();
    client.output(&format!("kill {sleeper}")).await;
    assert!(matches!(next(&mut channel).await, ChannelMsg::Eof));
    assert!(matches!(next(&mut channel).await, ChannelMsg::Close));
    place.node.sim.stop().await;
}

#[tokio::test]
async fn signals_reach_the_command_and_its_children_and_are_reported() {
    let place = Place::new(Way::Plain).await;
    let client = place.client().await;
    let signals = [Sig::INT, Sig::TERM, Sig::KILL, Sig::HUP, Sig::USR1];
    for signal in signals {
        // A shell of the host may lose a signal while it starts a program.
        let mut channel = client.begin("sleep 86401 & exec sleep 86401").await;
        let both = || super::place::processes_with("86401") == 2;
        eventually("both sleep", both).await;
        channel.signal(signal.clone()).await.unwrap();
        assert_eq!(signal_at_end(&mut channel).await, format!("{signal:?}"));
        let none = || super::place::processes_with("86401") == 0;
        if matches!(signal, Sig::INT) {
            // What a shell starts in the background ignores this one.
            client.output("pkill -f 'sleep 86401'").await;
        }
        eventually("none sleeps", none).await;
    }
    let mut channel = client.begin("kill -9 $$").await;
    assert_eq!(
        signal_at_end(&mut channel).await,
        format!("{:?}", Sig::KILL)
    );
    place.node.sim.stop().await;
}

/// The signal by which a command has ended.
async fn signal_at_end(channel: &mut Channel<client::Msg>) -> String {
    loop {
        match next(channel).await {
            ChannelMsg::Data { .. } | ChannelMsg::Eof => {}
            ChannelMsg::ExitSignal { signal_name, .. } => return format!("{signal_name:?}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_command_without_a_terminal_outlives_its_connection_and_one_with_a_terminal_does_not() {
    let place = Place::new(Way::Plain).await;
    let client = place.client().await;
    let mut plain = client.begin("echo on; exec sleep 86402").await;
    assert!(matches!(next(&mut plain).await, ChannelMsg::Data { .. }));
    let mut terminal = client.handle.channel_open_session().await.unwrap();
    terminal
        .request_pty(true, "xterm", 80, 24, 0, 0, &[])
        .await
        .unwrap();
    terminal
        .exec(true, "echo on; exec sleep 86403")
        .await
        .unwrap();
    while !matches!(next(&mut terminal).await, ChannelMsg::Data { .. }) {}
    // The shell says `on` before it becomes the command.
    eventually("the command with a terminal runs", || {
        super::place::processes_with("86403") == 1
    })
    .await;
    let other = place.client().await;
    drop((plain, terminal, client));
    eventually("the terminal hangs up", || {
        super::place::processes_with("86403") == 0
    })
    .await;
    assert_eq!(other.output("pgrep -x -c -f 'sleep 86402'").await, "1");
    place.node.sim.stop().await;
    assert_eq!(
        super::place::processes_with("86402"),
        0,
        "it ends with the container"
    );
}

async fn a_terminal_has_the_clients_size_and_follows_it(way: Way) {
    let place = Place::new(way).await;
    let ssh = place.openssh("ssh").await;
    let mut command = CommandBuilder::new("ssh");
    command.args(ssh.as_std().get_args());
    command.args(["-tt", "root@127.0.0.1"]);
    let shown = tokio::task::spawn_blocking(move || {
        let size = |cols, rows| PtySize {
            rows,
            cols,
            pixel_width: 0,
            pixel_height: 0,
        };
        let pair = native_pty_system().openpty(size(100, 30)).unwrap();
        let mut child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let mut writer = pair.master.take_writer().unwrap();
        let mut shown = String::new();
        let mut until = |text: &str, shown: &mut String| {
            let mut buffer = [0; 4096];
            while !shown.contains(text) {
                match reader.read(&mut buffer) {
                    Ok(count @ 1..) => {
                        shown.push_str(&String::from_utf8_lossy(&buffer[..count]));
                    }
                    _ => panic!("{text} does not come: {shown}"),
                }
            }
        };
        writer
            .write_all(b"trap 'stty size | sed s/^/now=/' WINCH; stty size | sed s/^/was=/; tty\r")
            .unwrap();
        until("was=30 100", &mut shown);
        until("/dev/pts/", &mut shown);
        pair.master.resize(size(132, 43)).unwrap();
        // A shell runs the trap when it reads the next line.
        while !shown.contains("now=43 132") {
            writer.write_all(b"echo on\r").unwrap();
            until("on\r\n", &mut shown);
            let seen = shown.split_off(shown.len().saturating_sub(400));
            shown = seen.replace("on\r\n", "");
        }
        writer.write_all(b"exit 4\r").unwrap();
        child.wait().unwrap().exit_code()
    });
    let code = tokio::time::timeout(TIMEOUT, shown).await.unwrap().unwrap();
    assert_eq!(code, 4);
    place.node.sim.stop().await;
}

#[tokio::test]
#[cfg_attr(
    not(has_ssh_client),
    ignore = "needs OpenSSH's clients (Debian: openssh-client)"
)]
async fn a_terminal_has_the_clients_size_and_follows_it_unconfined() {
    a_terminal_has_the_clients_size_and_follows_it(Way::Plain).await;
}

#[tokio::test]
#[cfg_attr(
    not(has_namespaces),
    ignore = "needs namespaces of ordinary users (Debian: util-linux)"
)]
#[cfg_attr(
    all(has_namespaces, not(has_ssh_client)),
    ignore = "needs OpenSSH's clients (Debian: openssh-client)"
)]
async fn a_terminal_has_the_clients_size_and_follows_it_in_namespaces() {
    a_terminal_has_the_clients_size_and_follows_it(Way::Namespaces).await;
}

#[tokio::test]
#[cfg_attr(
    not(has_bubblewrap),
    ignore = "needs bubblewrap and the right to use it (Debian: bubblewrap)"
)]
#[cfg_attr(
    all(has_bubblewrap, not(has_ssh_client)),
    ignore = "needs OpenSSH's clients (Debian: openssh-client)"
)]
async fn a_terminal_has_the_clients_size_and_follows_it_in_bubblewrap() {
    a_terminal_has_the_clients_size_and_follows_it(Way::Bubblewrap).await;
}

async fn fifty_commands_run_at_once(way: Way) {
    let place = Place::new(way).await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(place.client().await);
    }
    let mut channels = Vec::new();
    for client in &clients {
        for _ in 0..10 {
            channels.push(client.begin("sleep 1; echo done").await);
        }
    }
    for channel in &mut channels {
        let mut output = Vec::new();
        loop {
            match next(channel).await {
                ChannelMsg::Data { data } => output.extend_from_slice(&data),
                ChannelMsg::Close => break,
                _ => {}
            }
        }
        assert_eq!(output, b"done\n");
    }
    place.node.sim.stop().await;
}

#[tokio::test]
#[cfg_attr(
    not(has_namespaces),
    ignore = "needs namespaces of ordinary users (Debian: util-linux)"
)]
async fn fifty_commands_run_at_once_in_namespaces() {
    fifty_commands_run_at_once(Way::Namespaces).await;
}

#[tokio::test]
#[cfg_attr(
    not(has_bubblewrap),
    ignore = "needs bubblewrap and the right to use it (Debian: bubblewrap)"
)]
async fn fifty_commands_run_at_once_in_bubblewrap() {
    fifty_commands_run_at_once(Way::Bubblewrap).await;
}
