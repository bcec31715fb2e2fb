//! `Serve this page and give me the URL`: starts a web server in the background of the container,
//! unless one runs, publishes its port and says the URL. It takes several tool calls; the next one
//! follows from the sentence and from the results since then.

use api_types::PortAccess;
use serde_json::{Value, json};

use super::{
    NextStep, answer,
    paths::{self, FoundPath},
    ports,
    words::{self, Word, has},
};

/// Ports for a server whose sentence names none.
const PORTS: std::ops::Range<u16> = 8080..8090;
/// How long to wait for the server's first words, in seconds.
const START_SECONDS: u32 = 10;

/// What is served, and where.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ServeRequest {
    /// The path of a folder or of a page in it.
    pub path: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// Who may open it.
    pub access: PortAccess,
}

/// The request in a known container.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ServePlan {
    ctid: u64,
    folder: Option<String>,
    page: Option<String>,
    port: Option<u16>,
    access: PortAccess,
}

/// A result of a tool since the sentence.
pub(super) struct ToolStep<'a> {
    /// The tool.
    pub tool: &'a str,
    /// Its arguments.
    pub arguments: Value,
    /// The result as the model reads it.
    pub result: Value,
}

impl ServeRequest {
    /// The request of a sentence, and its words without port and paths. With a negation, several
    /// ports or paths, or two kinds of access, it is unclear: none.
    pub(super) fn find(
        words: &[Word],
        sentence: &str,
        paths: &[FoundPath],
    ) -> Option<(Option<Self>, Vec<Word>)> {
        let things = [
            "page",
            "pages",
            "site",
            "website",
            "folder",
            "directory",
            "file",
            "files",
        ];
        let is_negation =
            |word: &&Word| ports::NEGATIONS.contains(&word.text()) || word.text() == "do";
        let verb = words::first_verb(&words[words.iter().take_while(is_negation).count()..])?;
        let hosts = verb == "host" && (has(words, &things) || !paths.is_empty());
        if verb != "serve" && !hosts {
            return None;
        }
        let (ports, place) = ports::ports(&words::split(&paths::without(sentence, paths)));
        Some((Self::clear(words, paths, &ports), place))
    }

    fn clear(words: &[Word], paths: &[FoundPath], ports: &[u64]) -> Option<Self> {
        let port = match ports {
            [] => None,
            [port] => Some(u16::try_from(*port).ok().filter(|port| *port > 0)?),
            _ => return None,
        };
        if has(words, ports::NEGATIONS) || paths.len() > 1 {
            return None;
        }
        Some(Self {
            path: paths.first().map(|found| found.path.clone()),
            port,
            access: ports::access(words)?,
        })
    }

    /// The request in this container. `written` is the file that the customer wrote last, which
    /// `this page` means.
    pub(super) fn plan(self, ctid: u64, written: Option<String>) -> ServePlan {
        let (folder, page) = match self.path.or(written) {
            Some(path) => folder_and_page(&path),
            None => (None, None),
        };
        ServePlan {
            ctid,
            folder,
            page,
            port: self.port,
            access: self.access,
        }
    }
}

/// The folder to serve and the page in it: `/srv/www/index.html` is a page of `/srv/www`. A page in
/// `/` is not served, because the folder would have every file of the container.
fn folder_and_page(path: &str) -> (Option<String>, Option<String>) {
    let path = path.trim_end_matches('/');
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", ""));
    let (folder, page) = match name.contains('.') {
        true => (
            parent,
            Some(name.to_owned()).filter(|name| name != "index.html"),
        ),
        false => (path, None),
    };
    (
        Some(folder.to_owned()).filter(|folder| !folder.is_empty()),
        page,
    )
}

impl ServePlan {
    /// The first step: what runs already.
    pub(super) fn begin(&self) -> NextStep {
        NextStep::Call("list_container_commands", json!({ "ctid": self.ctid }))
    }

    /// The step after these results; none if the last one has to be told, as a failure has.
    pub(super) fn next(&self, steps: &[ToolStep<'_>]) -> Option<NextStep> {
        let last = steps.last()?;
        if last.result["ok"] != true {
            return None;
        }
        let data = &last.result["data"];
        match last.tool {
            "list_container_commands" => Some(self.start_or_publish(&data["commands"])),
            "exec_container_command" => Some(NextStep::Call(
                "read_container_command",
                json!({
                    "ctid": self.ctid, "commandId": data["commandId"].as_str()?,
                    "waitSeconds": START_SECONDS,
                }),
            )),
            "read_container_command" => {
                let silent = data["untrustedOutput"]["stderr"] == "";
                let port = steps.iter().find_map(|step| port_in(&step.arguments))?;
                (data["state"] == "running" && silent).then(|| self.publish(port))
            }
            "expose_port" => Some(NextStep::Say(self.done(steps, last))),
            _ => None,
        }
    }

    fn start_or_publish(&self, commands: &Value) -> NextStep {
        let running: Vec<_> = commands
            .as_array()
            .into_iter()
            .flatten()
            .filter(|command| command["state"] == "running")
            .filter_map(|command| command["untrustedCommand"].as_str())
            .collect();
        let Some(folder) = &self.folder else {
            let mut servers = running.iter().filter_map(|line| server_port(line));
            return match (servers.next(), servers.next(), self.port) {
                (Some(port), None, named) if named.is_none_or(|named| named == port) => {
                    self.publish(port)
                }
                _ => NextStep::Say(answer::SERVE_WHAT.to_owned()),
            };
        };
        let serves = |line: &&str| line.lines().next() == Some(&marker(server_port(line), folder));
        if let Some(port) = running
            .iter()
            .find(|line| serves(line))
            .and_then(|line| server_port(line))
            && self.port.is_none_or(|named| named == port)
        {
            return self.publish(port);
        }
        let is_taken = |port: &u16| running.iter().any(|line| names(line, *port));
        match self.port {
            Some(port) if is_taken(&port) => NextStep::Say(answer::port_in_use(port)),
            Some(port) => self.start(folder, port),
            None => match PORTS.into_iter().find(|port| !is_taken(port)) {
                Some(port) => self.start(folder, port),
                None => NextStep::Say(answer::SERVE_WHERE.to_owned()),
            },
        }
    }

    fn start(&self, folder: &str, port: u16) -> NextStep {
        NextStep::Call(
            "exec_container_command",
            json!({ "ctid": self.ctid, "command": command(folder, port), "background": true }),
        )
    }

    fn publish(&self, port: u16) -> NextStep {
        NextStep::Call(
            "expose_port",
            json!({ "ctid": self.ctid, "port": port, "access": self.access }),
        )
    }

    /// What was done, with the URL of the page.
    fn done(&self, steps: &[ToolStep<'_>], last: &ToolStep<'_>) -> String {
        let started = steps
            .iter()
            .find(|step| step.tool == "read_container_command");
        let server = started.map(|step| {
            let output = step.result["data"]["untrustedOutput"]["stdout"].as_str();
            let server = match output.is_some_and(|text| text.starts_with("Serving HTTP")) {
                true => "python3's http.server",
                false => "busybox httpd",
            };
            let id = step.result["data"]["commandId"]
                .as_str()
                .unwrap_or_default();
            let folder = self.folder.as_deref().unwrap_or_default();
            format!("{server} serves `{folder}` in the background as {id}. ")
        });
        let server = server.unwrap_or_else(|| "A web server runs already. ".to_owned());
        let page = match (&self.page, last.result["data"]["url"].as_str()) {
            (Some(page), Some(url)) => {
                format!(" The page is `{page}` there: <{url}{}>", encoded(page))
            }
            _ => String::new(),
        };
        format!("{server}{}{page}", answer::published(&last.result))
    }
}

/// A name of a file as a part of a URL.
fn encoded(name: &str) -> String {
    url::form_urlencoded::byte_serialize(name.as_bytes())
        .collect::<String>()
        .replace('+', "%20")
}

/// The first line of the server's command, by which it is known again.
fn marker(port: Option<u16>, folder: &str) -> String {
    let port = port.map_or_else(String::new, |port| port.to_string());
    let quoted = folder.replace('\'', r"'\''");
    format!("port={port} folder='{quoted}'")
}

/// The command that serves a folder by what the container has. It listens on the container's own
/// address only, where the publication comes in.
fn command(folder: &str, port: u16) -> String {
    let marker = marker(Some(port), folder);
    format!(
        r#"{marker}
cd "$folder" || exit
if command -v python3 >/dev/null; then
  exec python3 -u -m http.server "$port" --bind 127.0.0.1
fi
for box in busybox busybox-extras; do
  if "$box" --list 2>/dev/null | grep -qx httpd; then
    "$box" httpd -f -p "127.0.0.1:$port" -h . &
    sleep 1
    kill -0 $! && echo "$box httpd"
    wait $!
    exit
  fi
done
echo 'There is neither python3 nor busybox httpd: install one of them.' >&2
exit 127"#
    )
}

/// The port in the arguments of the command that started the server.
fn port_in(arguments: &Value) -> Option<u16> {
    server_port(arguments["command"].as_str()?)
}

/// The port of a command that is a web server: one of these, or `python3 -m http.server 8080`.
fn server_port(line: &str) -> Option<u16> {
    if let Some(rest) = line.strip_prefix("port=") {
        return rest.split_once(" folder=")?.0.parse().ok();
    }
    let is_server = ["http.server", "httpd"]
        .iter()
        .any(|name| line.contains(name));
    let mut ports = numbers(line).filter(|port| *port >= 80);
    match (ports.next(), ports.next()) {
        (Some(port), None) if is_server => Some(port),
        _ => None,
    }
}

fn names(line: &str, port: u16) -> bool {
    numbers(line).any(|number| number == port)
}

fn numbers(line: &str) -> impl Iterator<Item = u16> {
    let words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '.');
    words.filter_map(|word| word.parse().ok())
}
