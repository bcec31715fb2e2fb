//! `infra402 ssh`: the system's ssh, by the API's WebSocket and with the container's pinned host
//! key. The key that logs in is this program's own, made once and added to the lease.

use std::{
    fs,
    io::ErrorKind,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::{console, show};
use crate::{
    api::{Api, read},
    arguments::SshArguments,
    containers::{self, Container},
    failure::Failure,
    printed::printable,
    state_files,
};

/// What the service says of the way into a container, in what is used of it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SshAccess {
    /// The name that the known hosts lines are for.
    host: String,
    known_hosts: Vec<String>,
}

/// What ssh is told.
#[derive(Debug)]
struct Connection {
    host: String,
    login: String,
    identity: PathBuf,
    known_hosts: PathBuf,
    proxy_command: String,
}

pub(super) async fn run(api: &Api, arguments: &SshArguments) -> Result<u8, Failure> {
    let container = containers::find_for_ssh(api, &arguments.container).await?;
    let connection = prepare(api, &container, &arguments.login).await?;
    if !arguments.config && !api.settings.json {
        return start(connection, &arguments.arguments);
    }
    let block = connection.block(&container);
    let document = json!({
        "host": connection.host,
        "proxyCommand": connection.proxy_command,
        "identityFile": connection.identity,
        "knownHostsFile": connection.known_hosts,
        "config": block,
    });
    show(api, &document, || Ok(block.trim_end().to_owned()))
}

/// Opens a shell in a container that was leased just now: over SSH, or by its console.
///
/// # Errors
/// Neither works, or ssh cannot be started.
pub(super) async fn connect(api: &Api, container: &Container) -> Result<u8, Failure> {
    let Some(reason) = containers::await_ssh(api, container).await else {
        return start(prepare(api, container, "root").await?, &[]);
    };
    let reason = printable(&reason);
    eprintln!(
        "infra402: no SSH into the container ({reason}); this is its console, which costs a call"
    );
    console::open(api, container).await
}

async fn prepare(api: &Api, container: &Container, login: &str) -> Result<Connection, Failure> {
    let state = &api.settings.state;
    let folder = state_files::folder(state, "ssh").map_err(|error| Failure::file(state, &error))?;
    let identity = own_key(&folder)?;
    let wanted = json!({ "publicKey": public_line(&identity)? });
    let keys = container.below("ssh-keys");
    api.call(Method::PUT, &keys, Some(&wanted)).await?;
    let access: SshAccess = read(&api.call(Method::GET, &container.below("ssh"), None).await?)?;
    // They become words of a configuration file and names of files.
    if !is_plain(&access.host) || !is_plain(&container.lease_id) || !is_plain(login) {
        return Err(Failure::not_understood("a name in it is none"));
    }
    let known_hosts = folder.join(format!("known_hosts-{}", container.lease_id));
    let lines: String = access
        .known_hosts
        .iter()
        .filter(|line| !line.contains(char::is_control))
        .map(|line| format!("{line}\n"))
        .collect();
    state_files::write(&known_hosts, lines.as_bytes())
        .map_err(|error| Failure::file(&known_hosts, &error))?;
    Ok(Connection {
        host: access.host,
        login: login.to_owned(),
        identity,
        known_hosts,
        proxy_command: proxy_command(api, &container.lease_id)?,
    })
}

/// This program's key, made where there is none. It gets its name once it is whole, and never
/// takes the name from another one: its owner may be logged in with that.
fn own_key(folder: &Path) -> Result<PathBuf, Failure> {
    let identity = folder.join("id_ed25519");
    if identity.exists() {
        return Ok(identity);
    }
    let failed = |error| Failure::file(&identity, &error);
    let making = tempfile::tempdir_in(folder).map_err(failed)?;
    let made = making.path().join("key");
    let kind = ["-q", "-t", "ed25519", "-N", "", "-C", "infra402-cli", "-f"];
    keygen(&kind, &made)?;
    match fs::hard_link(&made, &identity) {
        // Another run of this program was faster.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(identity),
        linked => linked.map(|()| identity.clone()).map_err(failed),
    }
}

/// The public half of a key, as OpenSSH writes it.
fn public_line(identity: &Path) -> Result<String, Failure> {
    Ok(keygen(&["-y", "-P", "", "-f"], identity)?.trim().to_owned())
}

/// Runs ssh-keygen, which cannot ask for anything, and returns what it prints.
fn keygen(arguments: &[&str], file: &Path) -> Result<String, Failure> {
    let ran = Command::new("ssh-keygen")
        .args(arguments)
        .arg(file)
        .output();
    let ran = ran.map_err(|error| missing("ssh-keygen", &error))?;
    if !ran.status.success() {
        let said = String::from_utf8_lossy(&ran.stderr);
        let message = format!("ssh-keygen failed: {}", printable(said.trim()));
        return Err(Failure::local(message)
            .advise(format!("move {} away: a new key is made", file.display())));
    }
    Ok(String::from_utf8_lossy(&ran.stdout).into_owned())
}

fn missing(program: &str, error: &std::io::Error) -> Failure {
    Failure::local(format!("{program} cannot be started: {error}"))
        .advise("install OpenSSH's clients (Debian: openssh-client)")
}

/// This very program with the same settings. The key stays where it is: in its file, or in the
/// environment, which ssh passes on.
fn proxy_command(api: &Api, lease_id: &str) -> Result<String, Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::local(format!("this program is not found: {error}")))?;
    let mut words = vec![
        program.display().to_string(),
        "--api".to_owned(),
        api.settings.api.clone(),
    ];
    if let Some(file) = api.settings.key.file() {
        let file = std::path::absolute(file).map_err(|error| Failure::file(file, &error))?;
        words.extend(["--key-file".to_owned(), file.display().to_string()]);
    }
    words.extend(["proxy".to_owned(), lease_id.to_owned()]);
    let quoted: Vec<_> = words.iter().map(|word| quoted(word)).collect();
    // ssh replaces what begins with a percent sign.
    Ok(quoted.join(" ").replace('%', "%%"))
}

fn quoted(word: &str) -> String {
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=,+@".contains(&byte);
    match !word.is_empty() && word.bytes().all(is_safe) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// A path as ssh reads it, which splits at spaces and replaces what begins with a percent sign.
fn file_option(path: &Path) -> String {
    let path = path.display().to_string().replace('%', "%%");
    match path.contains([' ', '"', '\'', '\\']) {
        true => format!("\"{}\"", path.replace('\\', r"\\").replace('"', r#"\""#)),
        false => path,
    }
}

fn is_plain(name: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    !name.is_empty() && !name.starts_with('-') && name.bytes().all(inside)
}

/// Becomes ssh.
fn start(connection: Connection, arguments: &[String]) -> Result<u8, Failure> {
    let mut ssh = Command::new("ssh");
    for (name, value) in connection.options() {
        ssh.arg("-o").arg(format!("{name}={value}"));
    }
    ssh.arg("-l").arg(&connection.login);
    // Options of the customer's stand before the host, and their command after it.
    let (options, command) = split(arguments);
    ssh.args(options)
        .arg(connection.destination())
        .args(command);
    Err(missing("ssh", &ssh.exec()))
}

/// Options of ssh with their values, and the rest.
fn split(arguments: &[String]) -> (&[String], &[String]) {
    /// Those that take a value, by ssh(1).
    const WITH_VALUE: &str = "BbcDEeFIiJLlmOoPpQRSWw";
    let mut at = 0;
    while let Some(word) = arguments.get(at) {
        let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
            break;
        };
        at += 1;
        if letters == "-" {
            return (&arguments[..at - 1], &arguments[at..]);
        }
        let value_follows = letters
            .chars()
            .last()
            .is_some_and(|last| WITH_VALUE.contains(last))
            && letters.find(|letter| WITH_VALUE.contains(letter)) == Some(letters.len() - 1);
        at += usize::from(value_follows);
    }
    arguments.split_at(at.min(arguments.len()))
}

impl Connection {
    /// The host that ssh is told. The service chose the name, and a name alone could be one that
    /// the customer's own `~/.ssh/config` lends an agent or commands to.
    fn destination(&self) -> String {
        format!("infra402.{}", self.host)
    }

    fn options(&self) -> [(&'static str, String); 6] {
        [
            ("ProxyCommand", self.proxy_command.clone()),
            ("HostKeyAlias", self.host.clone()),
            ("UserKnownHostsFile", file_option(&self.known_hosts)),
            ("StrictHostKeyChecking", "yes".to_owned()),
            ("IdentityFile", file_option(&self.identity)),
            ("IdentitiesOnly", "yes".to_owned()),
        ]
    }

    /// The block for `~/.ssh/config`.
    fn block(&self, container: &Container) -> String {
        let name = match is_plain(&container.hostname) {
            true => &container.hostname,
            false => &container.lease_id,
        };
        let mut block = format!("Host {name}\n  User {}\n", self.login);
        for (option, value) in self.options() {
            block.push_str(&format!("  {option} {value}\n"));
        }
        block
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_ssh_come_before_the_host_and_the_command_after_it() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        for (given, options) in [
            ("-L 8080:localhost:80 -N", 3),
            ("-p22 ls -l", 1),
            ("-tt top", 1),
            ("-vL 1:h:2 ls", 2),
            ("ls -l /", 0),
            ("-- -weird", 0),
            ("-o A=b", 2),
            ("-o", 1),
        ] {
            let given = words(given);
            let (before, _) = split(&given);
            assert_eq!(before.len(), options, "{given:?}");
        }
        assert_eq!(split(&words("-- -weird")).1, ["-weird"]);
    }

    #[test]
    fn a_path_stays_one_path() {
        for (path, expected) in [
            ("/s/known_hosts", "/s/known_hosts"),
            ("/my state/id", "\"/my state/id\""),
            ("/50%h/id", "/50%%h/id"),
            ("/a\"b/id", r#""/a\"b/id""#),
        ] {
            assert_eq!(file_option(Path::new(path)), expected);
        }
    }

    #[test]
    fn a_word_of_the_proxy_command_stays_one_word() {
        for (word, expected) in [
            ("/usr/bin/infra402", "/usr/bin/infra402"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("$(x)", "'$(x)'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }

    #[test]
    #[cfg_attr(
        not(has_ssh_client),
        ignore = "needs OpenSSH's clients (Debian: openssh-client)"
    )]
    fn a_key_is_made_once_and_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let made = || {
            let identity = own_key(folder.path()).unwrap();
            public_line(&identity).unwrap()
        };
        let all: Vec<_> = std::thread::scope(|scope| {
            let runs: Vec<_> = (0..4).map(|_| scope.spawn(made)).collect();
            runs.into_iter().map(|run| run.join().unwrap()).collect()
        });
        assert!(all[0].starts_with("ssh-ed25519 AAAA"), "{}", all[0]);
        assert!(all.iter().all(|line| *line == all[0]), "{all:?}");
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().flatten().collect();
        assert_eq!(names.len(), 1, "{names:?}");
        // What an interruption in the middle of another program's writing may leave.
        fs::write(folder.path().join("id_ed25519"), "half").unwrap();
        let failure = public_line(&own_key(folder.path()).unwrap()).unwrap_err();
        assert!(failure.text().contains("move "), "{}", failure.text());
    }

    #[test]
    fn a_name_of_the_service_becomes_no_option() {
        for bad in ["", "-oProxyCommand=x", "a b", "a\nb", "a/b", "a%h"] {
            assert!(!is_plain(bad), "{bad:?}");
        }
        assert!(is_plain("box-ab12.guest_x"));
    }
}
