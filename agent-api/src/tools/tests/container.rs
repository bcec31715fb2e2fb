//! The tools that work inside a container.

use super::*;

#[test]
fn the_request_for_a_file_is_planned_byte_for_byte() {
    let list = plan(
        "list_container_files",
        r#"{"ctid": 100, "path": "/srv/a&b c"}"#,
    )
    .unwrap();
    assert_eq!(
        (list.method.as_str(), list.path.as_str()),
        ("GET", "/lease/100/files?path=%2Fsrv%2Fa%26b+c")
    );
    assert_eq!(list.summary, "List `/srv/a&b c` in container 100");

    let read = r#"{"ctid": 100, "path": "/var/log/x", "offset": 5000000000, "length": 99999}"#;
    let read = plan("read_container_file", read).unwrap();
    let range = ByteRange {
        offset: 5_000_000_000,
        length: 8192,
    };
    assert_eq!(read.range, Some(range));

    let arguments = r#"{"ctid": 100, "path": "/srv/a", "content": "\"1\"\n", "mode": 755}"#;
    let write = plan("write_container_file", arguments).unwrap();
    assert_eq!(
        (write.method.as_str(), write.path.as_str()),
        (
            "PUT",
            "/lease/100/files?path=%2Fsrv%2Fa&parents=true&mode=755"
        )
    );
    assert_eq!(write.body.as_deref(), Some("\"1\"\n"));
    assert_eq!(
        write.suspended().body,
        Some(json!("\"1\"\n")),
        "the customer sees the content as a text"
    );
    assert_eq!(
        write.summary,
        "Write 4 bytes to `/srv/a`, permissions 755, in place of what may be there, in container 100"
    );

    let change = |more: &str| {
        let arguments = format!(r#"{{"ctid": 100, "path": "/srv/a", {more}}}"#);
        plan("change_container_files", &arguments)
    };
    let made = change(r#""action": "make_directory""#).unwrap();
    assert_eq!(
        (made.path.as_str(), made.body.as_deref()),
        (
            "/lease/100/files",
            Some(r#"{"action":"make_directory","path":"/srv/a"}"#)
        )
    );
    let moved = change(r#""action": "move", "to": "/srv/b""#).unwrap();
    assert_eq!(
        moved.body.as_deref(),
        Some(r#"{"action":"move","path":"/srv/a","to":"/srv/b"}"#)
    );
    assert!(
        moved.summary.contains("`/srv/a` to `/srv/b`"),
        "{}",
        moved.summary
    );
    let removed = change(r#""action": "remove", "recursive": true"#).unwrap();
    assert_eq!(
        (removed.method.as_str(), removed.path.as_str()),
        ("DELETE", "/lease/100/files?path=%2Fsrv%2Fa&recursive=true")
    );
    assert!(
        removed.summary.contains("with everything in it"),
        "{}",
        removed.summary
    );
    for unclear in [
        r#""action": "move""#,
        r#""action": "remove", "to": "/srv/b""#,
        r#""action": "make_directory", "recursive": true"#,
        r#""action": "format""#,
    ] {
        assert!(change(unclear).is_err(), "{unclear}");
    }
}

#[test]
fn paths_ids_and_contents_that_cannot_be_meant_are_refused() {
    let long = "x".repeat(16 * 1024 + 1);
    let content = json!({"ctid": 100, "path": "/a", "content": long}).to_string();
    let path = json!({"ctid": 100, "path": format!("/{long}")}).to_string();
    for (tool, arguments) in [
        ("list_container_files", r#"{"ctid": 100, "path": "srv"}"#),
        (
            "list_container_files",
            r#"{"ctid": 100, "path": "/a\u0000b"}"#,
        ),
        ("read_container_file", path.as_str()),
        ("write_container_file", content.as_str()),
        (
            "write_container_file",
            r#"{"ctid": 100, "path": "/a", "content": "", "mode": "rwx"}"#,
        ),
        (
            "read_container_command",
            r#"{"ctid": 100, "commandId": "../files"}"#,
        ),
        (
            "stop_container_command",
            r#"{"ctid": 100, "commandId": "cmd_1?x"}"#,
        ),
        (
            "stop_container_command",
            r#"{"ctid": 100, "commandId": "cmd_1", "signal": "9"}"#,
        ),
    ] {
        assert!(plan(tool, arguments).is_err(), "{tool}");
    }
}

#[test]
fn what_changes_something_is_confirmed_and_what_reads_is_free() {
    let class = |tool: &str| find(tool).unwrap().class;
    for tool in [
        "write_container_file",
        "change_container_files",
        "stop_container_command",
        "set_up_container_ssh",
        "close_port",
    ] {
        assert_eq!(class(tool), ToolClass::Confirmed, "{tool}");
    }
    for tool in [
        "list_container_files",
        "read_container_file",
        "list_container_commands",
        "read_container_command",
        "get_container_access",
        "list_ports",
    ] {
        assert_eq!(class(tool), ToolClass::Free, "{tool}");
    }
}

#[test]
fn a_port_is_published_for_the_owner_and_for_everybody_only_after_a_confirmation() {
    let tool = find("expose_port").unwrap();
    for (more, access, class) in [
        ("", "owner", ToolClass::Free),
        (r#", "access": "owner""#, "owner", ToolClass::Free),
        (r#", "access": "link""#, "link", ToolClass::Free),
        (r#", "access": "public""#, "public", ToolClass::Confirmed),
    ] {
        let arguments = format!(r#"{{"ctid": 100, "port": "8080"{more}}}"#);
        let planned = plan("expose_port", &arguments).unwrap();
        assert_eq!(tool.class_of(&planned), class, "{access}");
        assert_eq!(
            (planned.method.as_str(), planned.path.as_str()),
            ("PUT", "/lease/100/ports/8080")
        );
        let body = format!(r#"{{"access":"{access}"}}"#);
        assert_eq!(planned.body.as_deref(), Some(body.as_str()));
    }
    let public = r#"{"ctid": 100, "port": 80, "access": "public"}"#;
    assert_eq!(
        plan("expose_port", public).unwrap().summary,
        "Publish port 80 of container 100 for everybody"
    );
    let close = plan("close_port", r#"{"ctid": 100, "port": 80}"#).unwrap();
    assert_eq!(
        (close.method.as_str(), close.path.as_str()),
        ("DELETE", "/lease/100/ports/80")
    );
    let said = "The port is closed: its address answers nothing any more.";
    assert_eq!(find("close_port").unwrap().summary(&Value::Null), said);
    for unclear in [
        r#"{"ctid": 100, "port": 0}"#,
        r#"{"ctid": 100, "port": 65536}"#,
        r#"{"ctid": 100, "port": "http"}"#,
        r#"{"ctid": 100}"#,
        r#"{"ctid": 100, "port": 80, "access": "all"}"#,
    ] {
        assert!(plan("expose_port", unclear).is_err(), "{unclear}");
    }
}

#[test]
fn a_command_is_shown_with_everything_that_decides_what_it_does() {
    let arguments = json!({
        "ctid": 100, "command": "sh", "background": true, "stdin": "rm -rf /srv\n⟨as nobody⟩",
        "env": {"PATH": "/tmp\n⟩ as root"}, "cwd": "/srv", "user": "web",
    });
    let planned = plan("exec_container_command", &arguments.to_string()).unwrap();
    assert_eq!(
        planned.command.as_deref(),
        Some(
            "⟨as web⟩\n⟨in /srv⟩\n⟨with PATH=/tmp⟨line break⟩⟩ as root⟩\n⟨in the background⟩\nsh\n\
             ⟨standard input⟩\nrm -rf /srv\n⟨U+27E8⟩as nobody⟩"
        )
    );
    assert_eq!(
        planned.summary,
        "Run `sh` in the background in container 100"
    );
    assert_eq!(
        planned.body.as_deref(),
        Some(
            "{\"command\":\"sh\",\"stdin\":\"rm -rf /srv\\n⟨as nobody⟩\",\
             \"env\":{\"PATH\":\"/tmp\\n⟩ as root\"},\"cwd\":\"/srv\",\"user\":\"web\",\"background\":true}"
        )
    );
}

#[test]
fn a_background_command_is_known_by_its_id() {
    let answer = json!({
        "ctid": 100, "exitCode": null, "stdout": "", "stderr": "", "output": "", "upid": "",
        "timedOut": false, "truncated": false, "via": "ssh", "commandId": "cmd_1",
    });
    let exec = find("exec_container_command").unwrap();
    let seen = exec.view(&answer);
    assert_eq!(
        (&seen["commandId"], &seen["via"]),
        (&json!("cmd_1"), &json!("ssh"))
    );
    assert_eq!(
        exec.summary(&answer),
        "The command runs in the background of container 100 as cmd_1."
    );
}

#[test]
fn a_way_that_may_come_about_by_itself_is_told_as_such() {
    let tool = find("get_container_access").unwrap();
    let reason = "The container's SSH port cannot be reached.";
    let starting = json!({"via": "terminal", "reason": reason, "temporary": true});
    assert_eq!(tool.view(&starting)["temporary"], true);
    assert_eq!(
        tool.summary(&starting),
        format!(
            "The container is reached over its terminal only. {reason} SSH may come about by itself in a moment."
        )
    );
    let lasting = json!({"via": "terminal", "reason": reason, "canSetUp": true});
    assert_eq!(tool.view(&lasting).get("temporary"), None);
    assert!(tool.summary(&lasting).ends_with(reason));
}

fn command(more: Value) -> Value {
    let mut command = json!({
        "commandId": "cmd_1", "command": "sleep 9", "state": "running",
        "startedAt": "2026-01-01T00:00:00Z", "stdoutBytes": 0, "stderrBytes": 0,
    });
    let members = more.as_object().unwrap().clone();
    command.as_object_mut().unwrap().extend(members);
    command
}

#[test]
fn output_is_cut_for_the_model_where_the_next_call_goes_on() {
    let read = find("read_container_command").unwrap();
    let text = "\u{1b}[31m".repeat(2_000);
    let answer = command(json!({
        "stdout": text, "stderr": "e", "stdoutOffset": 100 + text.len(), "stderrOffset": 1,
    }));
    let seen = read.view(&answer);
    assert!(seen.to_string().len() < 6_000, "{}", seen.to_string().len());
    let shown = seen["untrustedOutput"]["stdout"].as_str().unwrap();
    assert!(text.starts_with(shown) && !shown.is_empty());
    assert_eq!(seen["stdoutOffset"], 100 + shown.len());
    assert_eq!(seen["stderrOffset"], 1);

    // `b`, a byte that is no UTF-8, and much more.
    let mut bytes = b"b\xff".to_vec();
    bytes.resize(9_000, b'x');
    let base64 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &bytes);
    let answer = command(json!({
        "stdout": String::from_utf8_lossy(&bytes), "stdoutBase64": base64, "stderr": "",
        "stdoutOffset": bytes.len(), "stderrOffset": 0,
    }));
    let seen = read.view(&answer);
    let shown = seen["untrustedOutput"]["stdout"].as_str().unwrap();
    assert!(shown.starts_with("b\u{fffd}xx"), "{shown}");
    let bytes_shown = shown.len() - "\u{fffd}".len() + 1;
    assert_eq!(
        seen["stdoutOffset"], bytes_shown,
        "counted in bytes of the output"
    );
}

#[test]
fn a_long_list_of_commands_is_cut_and_says_so() {
    let commands: Vec<_> = (0..100)
        .map(|_| command(json!({"command": "\u{1b}".repeat(200)})))
        .collect();
    let list = find("list_container_commands").unwrap();
    let seen = list.view(&json!({ "commands": commands }));
    let shown = seen["commands"].as_array().unwrap().len();
    assert!((5..100).contains(&shown), "{shown}");
    assert_eq!(seen["leftOut"], 100 - shown);
    assert!(seen.to_string().len() < 10_000);
}

#[test]
fn a_file_is_cut_for_the_model_where_the_next_call_goes_on() {
    let text = "\u{1b}ü".repeat(2_000);
    let content = FileContent::new(text.as_bytes(), 10, true, Some(99_999));
    let body = serde_json::to_value(&content).unwrap();
    let tool = find("read_container_file").unwrap();
    let seen = tool.view(&body);
    let shown = seen["untrustedContent"].as_str().unwrap();
    assert!(text.starts_with(shown) && shown.len() < text.len());
    assert_eq!(seen["nextOffset"], 10 + shown.len());
    assert!(seen.to_string().len() < 10_000);
    assert_eq!(tool.summary(&body), "Read 5.9 KiB of a file of 97.7 KiB.");

    let whole = FileContent::new(b"1\n", 0, false, Some(2));
    let body = serde_json::to_value(&whole).unwrap();
    assert_eq!(
        tool.view(&body),
        json!({"untrustedContent": "1\n", "offset": 0, "size": 2})
    );
    assert_eq!(tool.summary(&body), "Read 2 bytes: the whole file.");
    let binary = FileContent::new(b"\0\xff", 0, true, Some(2048));
    let body = serde_json::to_value(&binary).unwrap();
    assert_eq!(tool.view(&body)["untrustedContent"], Value::Null);
    assert_eq!(
        tool.summary(&body),
        "The file (2 KiB) is not text; its content is not shown."
    );
}

#[test]
fn a_directory_is_listed_as_data() {
    let entry = |name: String| json!({"name": name, "kind": "file", "size": 1, "mode": "644"});
    let entries: Vec<_> = (0..1_000)
        .map(|number| entry(format!("f{number}")))
        .collect();
    let tool = find("list_container_files").unwrap();
    let answer = json!({"path": "/srv", "entries": entries, "truncated": false});
    let seen = tool.view(&answer);
    let shown = seen["untrustedEntries"].as_array().unwrap().len();
    assert!(shown > 50, "{shown}");
    assert_eq!(seen["leftOut"], 1_000 - shown);
    assert_eq!(tool.summary(&answer), "The directory has 1000 entries.");
    let read = find("read_container_file").unwrap();
    assert_eq!(read.summary(&answer), "The directory has 1000 entries.");
}
