//! The network paths that are tried from inside, as a script for the container, and how its output
//! is read. A refusal counts as reached, because something behind the fence answered. Only silence
//! is closed.

use std::fmt::Write as _;
use std::net::IpAddr;

/// How long one connection attempt may take, in seconds. The attempts run concurrently.
pub(super) const CONNECT_TIMEOUT_SECONDS: u32 = 5;

/// A server of the internet that has to be reached, by a name.
pub(super) const INTERNET: (&str, u16) = ("example.com", 443);

/// One target of a connection out of the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkPath {
    /// What it leads to, for people.
    pub what: String,
    /// An address, or a name that the container looks up.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The path has to be open; if false, it has to be closed.
    pub open: bool,
}

impl NetworkPath {
    /// A path that has to be closed.
    pub fn closed(what: impl Into<String>, host: impl ToString, port: u16) -> Self {
        Self {
            what: what.into(),
            host: host.to_string(),
            port,
            open: false,
        }
    }

    /// A path that has to be open.
    pub fn open(what: impl Into<String>, host: impl ToString, port: u16) -> Self {
        Self {
            open: true,
            ..Self::closed(what, host, port)
        }
    }
}

/// The paths that every tenant has: to this host by its known addresses, to what must not be
/// reached beyond it, and to a server of the internet, which has to work.
pub(super) fn of_tenants(gateway: IpAddr, hosts: &[IpAddr], more: &[IpAddr]) -> Vec<NetworkPath> {
    let mut paths = Vec::new();
    for port in [8006, 22, 3128, 111] {
        paths.push(NetworkPath::closed(
            "the host, by the gateway's address",
            gateway,
            port,
        ));
    }
    for host in hosts {
        paths.extend([8006, 22].map(|port| NetworkPath::closed("the host", host, port)));
    }
    for host in more {
        paths.extend([22, 80].map(|port| NetworkPath::closed("the host's network", host, port)));
    }
    paths.push(NetworkPath::closed(
        "the metadata address",
        "169.254.169.254",
        80,
    ));
    paths.push(NetworkPath::closed(
        "mail",
        "gmail-smtp-in.l.google.com",
        25,
    ));
    paths.extend([465, 587].map(|port| NetworkPath::closed("mail", "smtp.gmail.com", port)));
    paths.push(NetworkPath::closed(
        "the internet by IPv6",
        "2606:4700:4700::1111",
        443,
    ));
    let (host, port) = INTERNET;
    paths.push(NetworkPath::open("the internet, by a name", host, port));
    paths
}

/// A script that tries all paths and prints a line for each: `path NUMBER reached` or `silent`.
pub(super) fn script(paths: &[NetworkPath]) -> String {
    let mut script = String::from(
        "command -v bash > /dev/null && command -v timeout > /dev/null || { echo no tools; exit \
        0; }\n\
         try() {\n  \
         said=$(LC_ALL=C timeout ",
    );
    // Writing to a String cannot fail.
    let _ = writeln!(
        script,
        "{CONNECT_TIMEOUT_SECONDS} bash -c \"exec 3<> /dev/tcp/$2/$3\" 2>&1) && {{ echo \"path $1 reached\"; \
        return; }}"
    );
    script += "  case $said in\n  *refused*) echo \"path $1 reached\" ;;\n  *) echo \"path $1 \
    silent\" ;;\n  esac\n}\n";
    for (number, path) in paths.iter().enumerate() {
        let _ = writeln!(script, "try {number} {} {} &", path.host, path.port);
    }
    script + "wait\n"
}

/// Which paths were reached; `None` for a path without a line, which shows nothing.
pub(super) fn read_results(paths: &[NetworkPath], output: &str) -> Vec<Option<bool>> {
    let mut results = vec![None; paths.len()];
    for line in output.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["path", number, result @ ("reached" | "silent")] = words[..]
            && let Some(slot) = number
                .parse()
                .ok()
                .and_then(|number: usize| results.get_mut(number))
        {
            *slot = Some(result == "reached");
        }
    }
    results
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_result_shows_nothing() {
        let paths = of_tenants("10.64.0.1".parse().unwrap(), &[], &[]);
        let all = read_results(
            &paths,
            "path 0 silent\npath 1 reached\npath 99 silent\npath x silent\nnoise\n",
        );
        assert_eq!(all[..3], [Some(false), Some(true), None]);
        assert_eq!(all.len(), paths.len());
        assert!(script(&paths).contains("try 0 10.64.0.1 8006 &\n"));
    }
}
