//! Requests about files and background commands of a container.

use super::*;

#[test]
fn requests_about_files_become_tool_calls() {
    let list = json!({"ctid": 100, "path": "/srv"});
    for sentence in [
        "list files in /srv in container 100",
        "In container 100, show the files in /srv",
        "show folder `/srv` of container 100, please",
    ] {
        calls(sentence, "list_container_files", list.clone());
    }
    calls(
        "list files in / of container 100",
        "list_container_files",
        json!({"ctid": 100, "path": "/"}),
    );
    calls(
        "show file /etc/hostname in container 100",
        "read_container_file",
        json!({"ctid": 100, "path": "/etc/hostname"}),
    );
    calls(
        "cat \"/srv/container 200/a b.txt\" from byte 8192 in container 100",
        "read_container_file",
        json!({"ctid": 100, "path": "/srv/container 200/a b.txt", "offset": 8192}),
    );
    calls(
        "write hello to /srv/a in container 100",
        "write_container_file",
        json!({"ctid": 100, "path": "/srv/a", "content": "hello\n"}),
    );
    calls(
        "In container 100 write `destroy container 200, run /bin/x 300` into /srv/a.",
        "write_container_file",
        json!({"ctid": 100, "path": "/srv/a", "content": "destroy container 200, run /bin/x 300\n"}),
    );
    calls(
        "make directory /srv/100 in container 101",
        "change_container_files",
        json!({"ctid": 101, "action": "make_directory", "path": "/srv/100"}),
    );
    calls(
        "move /srv/a to /srv/b in container 100",
        "change_container_files",
        json!({"ctid": 100, "action": "move", "path": "/srv/a", "to": "/srv/b"}),
    );
    calls(
        "delete /srv/a in container 100",
        "change_container_files",
        json!({"ctid": 100, "action": "remove", "path": "/srv/a"}),
    );
    calls(
        "remove /srv with everything in it in container 100",
        "change_container_files",
        json!({"ctid": 100, "action": "remove", "path": "/srv", "recursive": true}),
    );
}

#[test]
fn files_without_a_folder_are_those_of_the_home_folder() {
    for sentence in [
        "list the files of container 40202",
        "Show me the files in container 40202, please",
        "which files are there in container 40202?",
        "ls container 40202",
    ] {
        let home = json!({"ctid": 40202, "path": "/root"});
        calls(sentence, "list_container_files", home);
    }
}

#[test]
fn a_question_how_to_get_in_opens_no_paid_terminal() {
    for sentence in [
        "how do I get into container 40202? is ssh working?",
        "can I ssh into container 40202?",
        "how do I log in to container 40202",
        "does ssh work in container 40202?",
    ] {
        calls(sentence, "get_container_access", json!({"ctid": 40202}));
    }
    calls(
        "how do I open a terminal of container 40202?",
        "open_container_console",
        json!({"ctid": 40202}),
    );
    let price = Offline::next(&[user("what does ssh cost?")], true);
    assert_eq!(price, NextStep::Say(answer::HOW_LONG_QUOTE.to_owned()));
}

#[test]
fn the_numbers_of_a_command_are_no_container() {
    let conversation = [assistant("Container 104 runs."), user("run sleep 500")];
    let expected = NextStep::Call(
        "exec_container_command",
        json!({"ctid": 104, "command": "sleep 500"}),
    );
    assert_eq!(Offline::next(&conversation, true), expected);
    let alone = Offline::next(&[user("run sleep 500")], true);
    assert_eq!(alone, NextStep::Say(answer::WHICH_COMMAND.to_owned()));
}

#[test]
fn requests_about_background_commands_become_tool_calls() {
    for sentence in [
        "run `sleep 500` in the background in container 100",
        "run sleep 500 in container 100 in the background",
    ] {
        calls(
            sentence,
            "exec_container_command",
            json!({"ctid": 100, "command": "sleep 500", "background": true}),
        );
    }
    calls(
        "run `echo in the background` in container 100",
        "exec_container_command",
        json!({"ctid": 100, "command": "echo in the background"}),
    );
    calls(
        "what does command cmd_300a say in container 100?",
        "read_container_command",
        json!({"ctid": 100, "commandId": "cmd_300a"}),
    );
    calls(
        "stop command cmd_300a in container 100",
        "stop_container_command",
        json!({"ctid": 100, "commandId": "cmd_300a", "signal": "TERM"}),
    );
    calls(
        "kill cmd_300a in container 100",
        "stop_container_command",
        json!({"ctid": 100, "commandId": "cmd_300a", "signal": "KILL"}),
    );
    calls(
        "list the commands of container 100",
        "list_container_commands",
        json!({"ctid": 100}),
    );
    calls(
        "set up ssh in container 100",
        "set_up_container_ssh",
        json!({"ctid": 100}),
    );
    calls(
        "how is container 100 reached?",
        "get_container_access",
        json!({"ctid": 100}),
    );
}

#[test]
fn other_requests_with_such_words_keep_their_meaning() {
    calls(
        "run rm -r /srv/a in container 100",
        "exec_container_command",
        json!({"ctid": 100, "command": "rm -r /srv/a"}),
    );
    calls(
        "Lease 1 core / 512 MB for 30 min",
        "lease_container",
        json!({"runtimeMinutes": 30, "cores": 1, "memoryMB": 512}),
    );
    calls(
        "open a terminal of container 100",
        "open_container_console",
        json!({"ctid": 100}),
    );
    let help = Offline::next(&[user("what commands do you know?")], true);
    assert_eq!(help, NextStep::Say(answer::HELP.to_owned()));
}

#[test]
fn container_and_command_come_from_the_conversation_and_not_from_examples_or_output() {
    let begun = assistant(
        "The command runs in the background of container 104 as cmd_7. \
         Ask `what does command cmd_7 say?` to see its output.",
    );
    let output = assistant("Read 9 bytes: the whole file.\n```\ncontainer 205 cmd_8\n```");
    for between in [
        assistant(answer::HELP),
        output,
        assistant(answer::WHICH_COMMAND_ID),
    ] {
        let conversation = [begun.clone(), between, user("what does the command say?")];
        let expected = NextStep::Call(
            "read_container_command",
            json!({"commandId": "cmd_7", "ctid": 104}),
        );
        assert_eq!(Offline::next(&conversation, true), expected);
    }
    let unknown = [
        user("hello"),
        assistant("Container 104 runs."),
        user("stop the command"),
    ];
    let which = NextStep::Say(answer::WHICH_COMMAND_ID.to_owned());
    assert_eq!(Offline::next(&unknown, true), which);
}

#[test]
fn a_missing_container_is_asked_for_and_the_answer_completes_the_request() {
    let asked = "write 200 to /srv/300";
    let which = Offline::next(&[user(asked)], true);
    assert_eq!(which, NextStep::Say(answer::WHICH_INSIDE.to_owned()));
    let then = [
        user(asked),
        assistant(answer::WHICH_INSIDE),
        user("container 101"),
    ];
    let call = NextStep::Call(
        "write_container_file",
        json!({"ctid": 101, "path": "/srv/300", "content": "200\n"}),
    );
    assert_eq!(Offline::next(&then, true), call);
}

#[test]
fn contents_lists_and_outputs_are_put_into_words_as_text_of_the_container() {
    let read = json!({
        "ok": true, "summary": "Read 8 KiB of a file of 9 KiB.",
        "data": {"untrustedContent": "a\n```\nb\n", "offset": 0, "nextOffset": 8192, "size": 9216},
    });
    assert_eq!(
        after("read_container_file", read),
        "Read 8 KiB of a file of 9 KiB.\n```\na\n'''\nb\n```\n\
         It goes on from byte 8192: say `show file PATH from byte 8192`."
    );
    let listed = json!({
        "ok": true, "summary": "The directory has 3 entries.",
        "data": {"leftOut": 1, "untrustedEntries": [
            {"name": "etc", "kind": "directory", "size": 4096, "mode": "755"},
            {"name": "a\nb", "kind": "file", "size": 2, "mode": "644"},
        ]},
    });
    assert_eq!(
        after("list_container_files", listed),
        "The directory has 3 entries.\n```\netc/\na⟨line break⟩b (2 bytes)\n```\nand 1 more"
    );
    let begun = json!({
        "ok": true, "summary": "The command runs in the background of container 100 as cmd_1.",
        "data": {"commandId": "cmd_1", "untrustedOutput": {"stdout": "", "stderr": ""}},
    });
    assert_eq!(
        after("exec_container_command", begun),
        "The command runs in the background of container 100 as cmd_1. \
         Ask `what does command cmd_1 say?` to see its output."
    );
    let said = json!({
        "ok": true, "summary": "Command cmd_1 runs.",
        "data": {"untrustedOutput": {"stdout": "half way\n", "stderr": ""}},
    });
    assert_eq!(
        after("read_container_command", said),
        "Command cmd_1 runs.\n```\nhalf way\n```"
    );
    let commands = json!({
        "ok": true, "summary": "The container has 1 background command.",
        "data": {"commands": [
            {"commandId": "cmd_1", "state": "ended", "exitCode": 3, "untrustedCommand": "make\nall"},
        ]},
    });
    assert_eq!(
        after("list_container_commands", commands),
        "The container has 1 background command.\n```\n\
         cmd_1: ended with exit code 3: make⟨line break⟩all\n```"
    );
}
