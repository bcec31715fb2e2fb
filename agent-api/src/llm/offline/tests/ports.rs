//! Requests about published ports, and to serve a page.

use serde_json::Value;

use super::*;

fn says(sentence: &str, expected: &str) {
    let next = Offline::next(&[user(sentence)], true);
    assert_eq!(next, NextStep::Say(expected.to_owned()), "{sentence}");
}

#[test]
fn requests_about_ports_become_tool_calls() {
    let expose = |port: u16, access: &str| json!({"ctid": 100, "port": port, "access": access});
    for (sentence, port, access) in [
        ("publish port 8080 of container 100", 8080, "owner"),
        ("Please expose 3000 of container 100", 3000, "owner"),
        ("in container 100, publish port 100", 100, "owner"),
        ("expose 3000 publicly in container 100", 3000, "public"),
        ("publish port 80 of 100 for everybody", 80, "public"),
        ("make port 8080 of container 100 public", 8080, "public"),
        (
            "make port 8080 of container 100 private again",
            8080,
            "owner",
        ),
        (
            "publish port 8080 of container 100 only for me",
            8080,
            "owner",
        ),
        ("share port 8080 of container 100 by link", 8080, "link"),
        (
            "publish port 8080 of container 100 with a link",
            8080,
            "link",
        ),
        (
            "publish port 8080 of container 100 and give me the link",
            8080,
            "owner",
        ),
    ] {
        calls(sentence, "expose_port", expose(port, access));
    }
    for sentence in [
        "close port 8080 of container 100",
        "unpublish 8080 of container 100",
        "stop publishing port 8080 of container 100",
        "remove port 8080 of container 100",
    ] {
        calls(sentence, "close_port", json!({"ctid": 100, "port": 8080}));
    }
    for sentence in [
        "which ports are published in container 100?",
        "list the ports of container 100",
        "is port 8080 of container 100 published?",
        "what is the url of port 8080 of container 100",
    ] {
        calls(sentence, "list_ports", json!({"ctid": 100}));
    }
}

#[test]
fn a_doubtful_request_about_ports_is_asked_about() {
    for sentence in [
        "don't publish port 8080 of container 100",
        "publish port 8080 of container 100, but not publicly",
        "publish ports 8080 and 3000 of container 100",
        "publish port 8080 of container 100 for me only and for everybody",
        "make port 8080 of container 100 private, no, public",
        "share port 8080 of container 100",
        "publish container 100",
        "expose port 0 of container 100",
        "expose port 70000 of container 100",
        "publish port 8080 and close port 3000 of container 100",
        "destroy container 100 and close port 8080",
        "kill what listens on port 8080 in container 100",
        "how do I publish port 8080 of container 100?",
        "delete ports of container 100",
    ] {
        says(sentence, answer::WHICH_PORT);
    }
    says("publish port 8080 of box", answer::WHICH_INSIDE);
    says("publish port 8080", answer::WHICH_INSIDE);
    says(
        "publish port 8080 of container 100 and of container 101",
        answer::WHICH_INSIDE,
    );
}

#[test]
fn other_requests_with_a_port_keep_their_meaning() {
    calls(
        "run python3 -m http.server 8080 in the background in container 100",
        "exec_container_command",
        json!({"ctid": 100, "command": "python3 -m http.server 8080", "background": true}),
    );
    calls(
        "write publish port 80 to /srv/a in container 100",
        "write_container_file",
        json!({"ctid": 100, "path": "/srv/a", "content": "publish port 80\n"}),
    );
    calls(
        "lease 1 core for an hour and publish port 8080",
        "lease_container",
        json!({"runtimeMinutes": 60, "cores": 1}),
    );
    says("I want to publish a book", answer::HOW_LONG);
}

#[test]
fn a_container_is_known_by_its_name_in_the_conversation_and_never_guessed() {
    let listed = assistant(
        "You have 2 leases.\n- container 104 (box): running\n- container 105 (web): running",
    );
    let leased = [
        user("lease 1 core for an hour, named box"),
        assistant("Container 104 runs at 10.0.0.1 until 2026-01-01 12:00 UTC."),
        user("lease 1 core for an hour, named web"),
        assistant("Container 105 runs at 10.0.0.2 until 2026-01-01 12:00 UTC."),
    ];
    let call = |ctid: u64| {
        let arguments = json!({"ctid": ctid, "port": 8080, "access": "owner"});
        NextStep::Call("expose_port", arguments)
    };
    let which = NextStep::Say(answer::WHICH_INSIDE.to_owned());
    for before in [&[listed][..], &leased] {
        for (place, expected) in [
            (" of box", call(104)),
            (" on web, please", call(105)),
            ("", call(105)),
            (" of other", which.clone()),
        ] {
            let mut conversation = before.to_vec();
            conversation.push(user(&format!("publish port 8080{place}")));
            assert_eq!(Offline::next(&conversation, true), expected, "{place}");
        }
    }
    let then = [
        user("publish port 8080 by link"),
        assistant(answer::WHICH_INSIDE),
        user("container 101"),
    ];
    let expected = json!({"ctid": 101, "port": 8080, "access": "link"});
    assert_eq!(
        Offline::next(&then, true),
        NextStep::Call("expose_port", expected)
    );
}

/// A conversation whose tool calls are answered as they come.
struct Story(Vec<Message>);

impl Story {
    fn new(sentences: &[&str]) -> Self {
        Self(sentences.iter().map(|text| user(text)).collect())
    }

    fn next(&self) -> NextStep {
        Offline::next(&self.0, true)
    }

    /// The next call has this tool; it is answered, and its arguments are returned.
    #[track_caller]
    fn answer(&mut self, tool: &str, result: Value) -> Value {
        let NextStep::Call(called, arguments) = self.next() else {
            panic!("no call: {:?}", self.next());
        };
        assert_eq!(called, tool, "{arguments}");
        let id = format!("c{}", self.0.len());
        self.0.push(Message::Assistant {
            text: String::new(),
            calls: vec![ToolCall {
                id: id.clone(),
                tool: tool.to_owned(),
                arguments: arguments.to_string(),
            }],
        });
        self.0.push(Message::Tool {
            call: id,
            text: result.to_string(),
        });
        arguments
    }

    fn said(&self) -> String {
        match self.next() {
            NextStep::Say(text) => text,
            other => panic!("{other:?}"),
        }
    }
}

fn commands(running: &[&str]) -> Value {
    let commands: Vec<_> = running
        .iter()
        .map(|line| json!({"commandId": "cmd_1", "state": "running", "untrustedCommand": line}))
        .collect();
    json!({"ok": true, "summary": "", "data": {"commands": commands}})
}

fn begun() -> Value {
    json!({"ok": true, "summary": "", "data": {"commandId": "cmd_9"}})
}

fn output(state: &str, stdout: &str, stderr: &str) -> Value {
    json!({"ok": true, "summary": "Command cmd_9 has ended with exit code 1.", "data": {
        "commandId": "cmd_9", "state": state, "untrustedOutput": {"stdout": stdout, "stderr": stderr},
    }})
}

fn exposed(port: u16) -> Value {
    let url = format!("http://{port}-name.localhost:4080/");
    let summary = format!("Port {port} is published at {url} for you alone.");
    json!({"ok": true, "summary": summary, "data": {"port": port, "access": "owner", "url": url}})
}

#[test]
fn a_page_is_served_in_the_background_published_and_its_url_said() {
    let mut story = Story::new(&[
        "write `<h1>Hi</h1>` to /srv/site/it's.html in container 100",
        "serve this page and give me the URL",
    ]);
    story.answer("list_container_commands", commands(&["sleep 8080"]));
    let begun_with = story.answer("exec_container_command", begun());
    assert_eq!(begun_with["background"], true);
    let command = begun_with["command"].as_str().unwrap();
    assert!(
        command.starts_with("port=8081 folder='/srv/site'\n"),
        "{command}"
    );
    let read = story.answer(
        "read_container_command",
        output("running", "Serving HTTP on 127.0.0.1 port 8081", ""),
    );
    assert_eq!(read["commandId"], "cmd_9");
    let arguments = story.answer("expose_port", exposed(8081));
    assert_eq!(
        arguments,
        json!({"ctid": 100, "port": 8081, "access": "owner"})
    );
    assert_eq!(
        story.said(),
        "python3's http.server serves `/srv/site` in the background as cmd_9. \
         Port 8081 is published at <http://8081-name.localhost:4080/> for you alone. \
         The page is `it's.html` there: <http://8081-name.localhost:4080/it%27s.html>"
    );
}

#[test]
fn a_server_that_runs_is_not_started_again() {
    for (sentence, running, port) in [
        (
            "serve /srv/www of container 100",
            "port=8083 folder='/srv/www'\ncd",
            8083,
        ),
        (
            "serve this page of container 100 and give me the URL",
            "python3 -m http.server 8000",
            8000,
        ),
        (
            "serve this on port 80 of container 100",
            "busybox httpd -f -p 80",
            80,
        ),
    ] {
        let mut story = Story::new(&[sentence]);
        story.answer("list_container_commands", commands(&["sleep 9", running]));
        let exposed = story.answer("expose_port", exposed(port));
        assert_eq!(exposed["port"], port, "{sentence}");
        assert!(story.said().starts_with("A web server runs already. Port"));
    }
}

#[test]
fn what_to_serve_and_where_is_not_guessed() {
    for (sentence, running, said) in [
        (
            "serve this page of container 100",
            &["sleep 9"][..],
            answer::SERVE_WHAT.to_owned(),
        ),
        (
            "serve / of container 100",
            &[],
            answer::SERVE_WHAT.to_owned(),
        ),
        (
            "serve this page of container 100",
            &["python3 -m http.server 8000", "busybox httpd -f -p 81"],
            answer::SERVE_WHAT.to_owned(),
        ),
        (
            "serve /srv/b on port 8080 of container 100",
            &["port=8080 folder='/srv/a'\ncd"],
            answer::port_in_use(8080),
        ),
    ] {
        let mut story = Story::new(&[sentence]);
        story.answer("list_container_commands", commands(running));
        assert_eq!(story.said(), said, "{sentence}");
    }
    for sentence in [
        "don't serve /srv/www of container 100",
        "do not serve /srv/www of container 100",
        "serve /srv/www on port 0",
        "serve /srv/a and /srv/b of container 100",
        "serve /srv/www of container 100 publicly for me only",
    ] {
        says(sentence, answer::SERVE_WHAT);
    }
}

#[test]
fn a_server_that_does_not_start_is_told_and_nothing_is_published() {
    for (state, stderr) in [
        ("ended", "There is neither"),
        ("running", "Address already in use"),
    ] {
        let mut story = Story::new(&["serve /srv/www of container 100"]);
        story.answer("list_container_commands", commands(&[]));
        story.answer("exec_container_command", begun());
        story.answer("read_container_command", output(state, "", stderr));
        assert!(story.said().contains(stderr), "{}", story.said());
    }
    let mut story = Story::new(&["serve /srv/www of container 100"]);
    story.answer("list_container_commands", commands(&[]));
    story.answer(
        "exec_container_command",
        json!({"ok": false, "customersReason": "no"}),
    );
    assert_eq!(story.said(), "All right, that was not done.");
}

#[test]
fn ports_are_put_into_words_with_their_urls_and_without_links() {
    let listed = json!({"ok": true, "summary": "The container has 2 published ports.", "data": {"ports": [
        {"port": 80, "access": "owner", "url": "http://80-n.localhost/"},
        {"port": 81, "access": "link", "url": "http://81-n.localhost/"},
    ]}});
    assert_eq!(
        after("list_ports", listed),
        "The container has 2 published ports.\n- port 80: <http://80-n.localhost/>, for you alone\n\
         - port 81: <http://81-n.localhost/>, for those who have its link"
    );
    assert!(after("expose_port", exposed(80)).contains("at <http://80-name.localhost:4080/> for"));
}
