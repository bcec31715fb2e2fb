//! The assistant's texts: its questions, its help, and tool results in words.

use api_types::Timestamp;
use serde_json::Value;

use crate::{conversation::ToolCall, tools, visible};

pub(super) const HELP: &str = "I am the built-in assistant: a handful of rules, no language model. I understand requests such as\n\
- `lease 2 cores, 1 GB for an hour and a half`\n\
- `what does 1 core for a day cost?`\n\
- `renew container 100 by 2 hours`\n\
- `run uptime in container 100`\n\
- `open a terminal of container 100`\n\
- `list my containers`\n\
- `stop container 100`, `start container 100`\n\
- `destroy container 100`\n\
- `how busy is the node?`\n\
- `how much traffic has container 100 used?`\n\
- `list files in /srv in container 100`, `show file /etc/hostname`\n\
- `write hello to /srv/a`, `move /srv/a to /srv/b`, `remove /srv/b`, `make directory /srv/c`\n\
- `run apt-get update in the background in container 100`\n\
- `what does command cmd_1a2b say?`, `stop command cmd_1a2b`, `list background commands`\n\
- `publish port 8080 of container 100`, also `publicly` or `by link`; `make port 8080 private again`\n\
- `which ports are published?`, `close port 8080`\n\
- `serve /srv/www of container 100 and give me the URL`\n\
- `set up ssh in container 100`\n\n\
Paid requests show their price first, and your wallet signs them.";
pub(super) const GREETING: &str = "Hello. I am the built-in assistant (no language model). Ask me to lease a container, or say `help`.";
pub(super) const NOT_UNDERSTOOD: &str = "I did not understand that: I am the built-in assistant, a handful of rules and no language model. Say `help` to see what I know.";
pub(super) const WHOLE_CORES: &str = "Cores come whole: ask for 1, 2 or more of them.";
pub(super) const YES: &str = "I take no yes in words: where your word is needed, the question has buttons for it. What would you like to do?";
pub(super) const NO_TOOLS: &str = "That took too many steps for one answer. Ask me again.";
pub(super) const HOW_LONG: &str =
    "For how long do you want the container? For example: `for 2 hours`.";
pub(super) const HOW_LONG_QUOTE: &str =
    "The price depends on the time. For how long would it be? For example: `for 2 hours`.";
pub(super) const HOW_LONG_RENEW: &str =
    "By how much time shall I extend it? For example: `by 2 hours`.";
pub(super) const WHICH_RENEW: &str =
    "Which container shall I extend, and by how much? For example: `container 100 by 2 hours`.";
pub(super) const WHICH_CONSOLE: &str =
    "Of which container shall I open a terminal? For example: `container 100`.";
pub(super) const WHICH_STOP: &str = "Which container shall I stop? For example: `container 100`.";
pub(super) const WHICH_START: &str = "Which container shall I start? For example: `container 100`.";
pub(super) const WHICH_DESTROY: &str =
    "Which container shall I destroy? For example: `container 100`.";
pub(super) const WHICH_TRAFFIC: &str =
    "Which container's traffic do you want to know? For example: `container 100`.";
pub(super) const WHICH_INSIDE: &str = "In which container? For example: `container 100`.";
pub(super) const WHICH_COMMAND_ID: &str =
    "Which background command? Say its id, like this: `what does command cmd_1a2b say?`";
pub(super) const WHICH_PORT: &str = "Which port, and for whom? Say one thing at a time, like this: `publish port 8080 of container 100` for you alone, \
     `publish port 8080 by link` for those who have a link, `publish port 8080 publicly` for everybody, or `close port 8080`.";
pub(super) const SERVE_WHAT: &str =
    "What shall I serve? Say the folder, like this: `serve /srv/www of container 100`.";
pub(super) const SERVE_WHERE: &str =
    "Ports 8080 to 8089 are in use. Say another one, like this: `serve /srv/www on port 3000`.";
pub(super) const WHICH_COMMAND: &str =
    "Tell me the command and the container, like this: run `uptime` in container 100.";

/// What opens and closes text of a container.
pub(super) const CODE_FENCE: &str = "```";

/// Whether a text of the assistant has numbers and ids that are examples.
pub(super) fn has_examples(text: &str) -> bool {
    const WITH_EXAMPLES: [&str; 13] = [
        HELP,
        WHICH_COMMAND,
        WHICH_RENEW,
        WHICH_CONSOLE,
        WHICH_STOP,
        WHICH_START,
        WHICH_DESTROY,
        WHICH_TRAFFIC,
        WHICH_INSIDE,
        WHICH_COMMAND_ID,
        WHICH_PORT,
        SERVE_WHAT,
        SERVE_WHERE,
    ];
    let text = text.trim_end();
    WITH_EXAMPLES.iter().any(|example| text.ends_with(example))
}

/// A tool result in words.
pub(super) fn in_words(call: Option<&ToolCall>, text: &str) -> String {
    let Ok(answer) = serde_json::from_str::<Value>(text) else {
        return "The tool's answer cannot be read.".to_owned();
    };
    if answer["ok"] != true {
        return refusal(&answer);
    }
    let summary = summary(&answer);
    let details = match call
        .and_then(|call| tools::find(&call.tool))
        .map(|tool| tool.name)
    {
        Some("exec_container_command") => match answer["data"]["commandId"].as_str() {
            Some(id) => format!(" Ask `what does command {id} say?` to see its output."),
            None => output(&answer["data"]["untrustedOutput"]),
        },
        Some("read_container_command") => output(&answer["data"]["untrustedOutput"]),
        Some("list_container_commands") => commands(&answer["data"]),
        Some("list_container_files" | "read_container_file") => files(&answer["data"]),
        Some("expose_port") => return published(&answer),
        Some("list_ports") => ports(&answer["data"]["ports"]),
        Some("list_managed_containers") => leases(&answer["data"]["leases"]),
        Some("quote_lease") => lines(&answer["data"]["lines"]),
        _ => String::new(),
    };
    format!("{summary}{details}")
}

fn summary(answer: &Value) -> &str {
    answer["summary"].as_str().unwrap_or("Done.")
}

/// That a port is published, with its address as a link.
pub(super) fn published(answer: &Value) -> String {
    let summary = summary(answer);
    match answer["data"]["url"].as_str() {
        Some(url) => summary.replacen(url, &format!("<{url}>"), 1),
        None => summary.to_owned(),
    }
}

/// That another command has the port of a server.
pub(super) fn port_in_use(port: u16) -> String {
    format!(
        "A background command uses port {port} already. Publish that one with `publish port {port}`, or say another port."
    )
}

fn ports(ports: &Value) -> String {
    let ports = ports.as_array().into_iter().flatten();
    let lines = ports.map(|port| {
        let member = |name: &str| visible::line(port[name].as_str().unwrap_or("?"));
        let whom = match port["access"].as_str() {
            Some("owner") => "you alone",
            Some("link") => "those who have its link",
            Some("public") => "everybody",
            _ => "?",
        };
        format!("\n- port {}: <{}>, for {whom}", port["port"], member("url"))
    });
    lines.collect()
}

fn refusal(answer: &Value) -> String {
    if answer["customersReason"].is_string() {
        return "All right, that was not done.".to_owned();
    }
    let error = &answer["error"];
    let message = error["message"].as_str().or(error.as_str());
    let mut text = format!(
        "That did not work: {}",
        message.unwrap_or("no reason was given")
    );
    for field in error["fields"].as_array().into_iter().flatten() {
        let member = |name: &str| field[name].as_str().unwrap_or_default().to_owned();
        text.push_str(&format!("\n- {} {}", member("field"), member("message")));
    }
    text
}

/// Formats output as a code block with a fence that the output cannot close.
fn output(streams: &Value) -> String {
    let stream = |name: &str| {
        streams[name]
            .as_str()
            .unwrap_or_default()
            .trim_end()
            .to_owned()
    };
    let text = [stream("stdout"), stream("stderr")].join("\n");
    let text = text.trim_matches('\n');
    if text.is_empty() {
        " It printed nothing.".to_owned()
    } else {
        code_block(text)
    }
}

fn code_block(text: &str) -> String {
    let text = text.replace(CODE_FENCE, "'''");
    format!("\n{CODE_FENCE}\n{text}\n{CODE_FENCE}")
}

/// The content of a file, or the entries of a directory.
fn files(data: &Value) -> String {
    if let Some(content) = data["untrustedContent"]
        .as_str()
        .filter(|text| !text.is_empty())
    {
        let next = data["nextOffset"].as_u64();
        let more = next.map_or_else(String::new, |next| {
            format!("\nIt goes on from byte {next}: say `show file PATH from byte {next}`.")
        });
        return format!("{}{more}", code_block(content.trim_end_matches('\n')));
    }
    let entries = data["untrustedEntries"].as_array().into_iter().flatten();
    let lines: Vec<_> = entries
        .map(|entry| {
            let name = visible::line(entry["name"].as_str().unwrap_or("?"));
            match entry["kind"].as_str() {
                Some("directory") => format!("{name}/"),
                Some("file") => format!("{name} ({} bytes)", entry["size"]),
                other => format!("{name} ({})", other.unwrap_or("?")),
            }
        })
        .collect();
    match lines.as_slice() {
        [] => String::new(),
        lines => format!("{}{}", code_block(&lines.join("\n")), left_out(data)),
    }
}

fn commands(data: &Value) -> String {
    let commands = data["commands"].as_array().into_iter().flatten();
    let lines: Vec<_> = commands
        .map(|command| {
            let member = |name: &str| visible::line(command[name].as_str().unwrap_or("?"));
            let code = command["exitCode"].as_i64();
            let code = code.map_or_else(String::new, |code| format!(" with exit code {code}"));
            let (id, state) = (member("commandId"), member("state"));
            format!("{id}: {state}{code}: {}", member("untrustedCommand"))
        })
        .collect();
    match lines.as_slice() {
        [] => String::new(),
        lines => format!("{}{}", code_block(&lines.join("\n")), left_out(data)),
    }
}

fn left_out(data: &Value) -> String {
    let count = data["leftOut"].as_u64();
    count.map_or_else(String::new, |count| format!("\nand {count} more"))
}

fn leases(leases: &Value) -> String {
    let leases = leases.as_array().into_iter().flatten();
    let lines = leases.map(|lease| {
        let member = |name: &str| match &lease[name] {
            Value::String(text) => text.clone(),
            Value::Null => "?".to_owned(),
            other => other.to_string(),
        };
        let status = lease["liveStatus"].as_str().unwrap_or_default();
        let status = if status.is_empty() {
            member("status")
        } else {
            status.to_owned()
        };
        let (ctid, name) = (member("ctid"), member("hostname"));
        let until = member("expiresAt");
        let until = until
            .parse::<Timestamp>()
            .map_or(until, tools::date_and_time);
        let notice = lease["notice"].as_str();
        let notice = notice.map_or_else(String::new, |notice| format!(". {notice}"));
        format!("\n- container {ctid} ({name}): {status}, until {until}{notice}")
    });
    lines.collect()
}

fn lines(lines: &Value) -> String {
    let lines = lines
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    lines.map(|line| format!("\n- {line}")).collect()
}
